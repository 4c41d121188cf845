--#include tokens_common
-- Gives up a place in the queue, or a reservation whose call was never sent or never answered.
-- ARGV  4 id  5 'waiter' | 'unsent' | 'unanswered'  6 ms that an unanswered reservation still holds
-- Returns 1 when there was something to give up.
local id, what = ARGV[4], ARGV[5]
local found = 0
if what == 'waiter' then
    found = redis.call('ZREM', SMALL, id) + redis.call('ZREM', BULK, id)
    redis.call('HDEL', WAITING, id)
    redis.call('DEL', WAKE .. id)
end
local record = redis.call('HGET', RESERVED, id)
if record then
    found = 1
    local parts = split(record)
    if what == 'unanswered' then
        local expiry = math.min(tonumber(parts[2]), now + tonumber(ARGV[6]))
        redis.call('HSET', RESERVED, id, parts[1] .. '|' .. text(expiry) .. '|' .. parts[3])
        local soonest = tonumber(redis.call('HGET', STATE, 'next_expiry') or '')
        if not soonest or expiry < soonest then
            redis.call('HSET', STATE, 'next_expiry', text(expiry))
        end
    else
        redis.call('HDEL', RESERVED, id)
        redis.call('HINCRBY', STATE, 'reserved', text(-tonumber(parts[1])))
    end
end
local s = load()
if s then
    wake_heads(s)
end
return found
