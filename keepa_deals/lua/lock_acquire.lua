-- Takes a free lock; repeating a call whose answer was lost recognises its own success.
-- A lock of another owner that would outlast the time to live is cut down to it: a live owner renews it.
-- What is no text under the lock's name was never a lock, and goes.
-- KEYS[1]  the lock
-- ARGV[1]  the owner
-- ARGV[2]  the time to live in milliseconds
-- Returns 1 when the lock is the owner's, 0 when it is another's.
if redis.call('TYPE', KEYS[1]).ok ~= 'string' then
    redis.call('DEL', KEYS[1])
end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
    return 1
end
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return 1
end
local left = redis.call('PTTL', KEYS[1])
if left < 0 or left > tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
