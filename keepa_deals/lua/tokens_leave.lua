--#include tokens_common
-- Gives up a place in the queue, or a reservation whose call was never sent or never answered.
-- ARGV  2 id  3 'waiter' | 'unsent' | 'unanswered'  4 ms that an unanswered reservation still holds
-- Returns 1 when there was something to give up.
local id, what = ARGV[2], ARGV[3]
local found = 0
if what == 'waiter' then
    found = dequeue(SMALL, id) + dequeue(BULK, id)
    redis.call('DEL', WAKE .. id)
end
local s = load(id)
if s and s.mine then
    found = 1
    local parts = split(s.mine)
    if what == 'unanswered' then
        local expiry = math.min(tonumber(parts[2]), now + tonumber(ARGV[4]))
        redis.call('HSET', STATE, 'r:' .. id, parts[1] .. '|' .. text(expiry) .. '|' .. parts[3],
            'next_expiry', text(math.min(expiry, s.next_expiry or expiry)))
    else
        s.reserved = math.max(0, s.reserved - tonumber(parts[1]))
        s.available = s.total - s.reserved
        redis.call('HDEL', STATE, 'r:' .. id)
        redis.call('HSET', STATE, 'reserved', text(s.reserved))
    end
end
if s then
    wake_heads(s)
end
return found
