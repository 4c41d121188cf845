--#include tokens_common
-- The whole account at this moment, as JSON; '' when its balance is not known.
local s = load()
if not s then
    return ''
end
local function lane(queue)
    head(queue)
    local waiters = redis.call('ZRANGE', queue, 0, -1)
    local longest = 0
    for _, id in ipairs(waiters) do
        local record = redis.call('HGET', WAITING, id)
        if record then
            longest = math.max(longest, now - tonumber(split(record)[3]))
        end
    end
    return { waiting = #waiters, longest_ms = longest }
end
local flat, prices = redis.call('HGETALL', PRICES), {}
for i = 1, #flat, 2 do
    prices[flat[i]] = tonumber(flat[i + 1])
end
local reservations = 0
for _, field in ipairs(redis.call('HKEYS', STATE)) do
    if string.sub(field, 1, 2) == 'r:' then
        reservations = reservations + 1
    end
end
prices['_'] = 0 -- an empty table would become a list
return cjson.encode({
    now = now, total = s.total, available = s.available, reserved = s.reserved,
    reservations = reservations, rate = s.rate, refill = s.refill, capacity = s.capacity,
    as_of = s.as_of, next_tick = s.next_tick, recovering = s.recovering, foreign = s.foreign,
    foreign_at = tonumber(redis.call('HGET', STATE, 'foreign_at') or '0'),
    offset = tonumber(redis.call('HGET', STATE, 'offset') or '0'),
    small = lane(SMALL), bulk = lane(BULK), prices = prices,
})
