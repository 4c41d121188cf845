-- Gives a lock its full time to live again, for its owner only.
-- KEYS[1]  the lock
-- ARGV[1]  the owner
-- ARGV[2]  the time to live in milliseconds
-- Returns 1, or 0 when the lock is gone or another's.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
