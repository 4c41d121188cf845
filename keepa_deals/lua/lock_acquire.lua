-- Takes a free lock; repeating a call whose answer was lost recognises its own success.
-- KEYS[1]  the lock
-- ARGV[1]  the owner
-- ARGV[2]  the time to live in milliseconds
-- Returns 1 when the lock is the owner's, 0 when it is another's.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
    return 1
end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
