-- Deletes a lock, for its owner, or for whoever finds that its owner has not renewed it for long.
-- KEYS[1]  the lock
-- ARGV[1]  the owner
-- ARGV[2]  optional: only where the lock lasts for at most so many milliseconds more
-- Returns 1, or 0 when the lock is gone, another's, or was renewed.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
if ARGV[2] and redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then
    return 0
end
return redis.call('DEL', KEYS[1])
