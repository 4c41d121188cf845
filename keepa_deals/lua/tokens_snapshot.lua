--#include tokens_common
--#include tokens_queue
-- The whole account at this moment, as JSON; '' when its balance is not known.
local s = load('')
if not s then
    return ''
end
local function lane(queue)
    local ids, longest = redis.call('ZRANGE', queue, 0, -1), 0
    local waiting = 0
    for _, id in ipairs(ids) do
        local need, asks_at, since = waiter(id)
        if need and asks_at + GRACE > now then
            waiting, longest = waiting + 1, math.max(longest, now - since)
        end
    end
    return { waiting = waiting, longest_ms = longest }
end
local kinds, prices = redis.pcall('HKEYS', PRICES), {}
for i = 1, #kinds do
    local mean, worst = learned(kinds[i], 0)
    prices[i] = { kind = kinds[i], mean = mean, worst = worst }
end
s.now, s.reservations, s.small, s.bulk = now, redis.call('HLEN', ACCOUNT) - 1, lane(SMALL), lane(BULK)
s.mine, s.is_deep, s.prices = nil, is_deep(s), #prices > 0 and prices or nil -- an empty list would become an object
return cjson.encode(s)
