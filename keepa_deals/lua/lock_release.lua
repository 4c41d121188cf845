-- Deletes a lock, for its owner only.
-- KEYS[1]  the lock
-- ARGV[1]  the owner
-- Returns 1, or 0 when the lock is gone or another's.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
