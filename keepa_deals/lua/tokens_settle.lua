--#include tokens_common
-- Settles a reservation (or none) with an answer of Keepa, and takes its balance when it is the newest.
-- ARGV  2 id or ''  3 Keepa's timestamp in ms  4 tokensLeft  5 refillIn in ms  6 refillRate
--       7 tokenFlowReduction  8 tokensConsumed  9 kind or ''  10 items  11 task or ''  12 '1' for a 429
-- Returns {1 when the balance was taken else 0, what we believed was there or '', tokens spent by others}
local id, ts, left = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local refill_in, rate, consumed = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[8])
local kind, items, task, refused = ARGV[9], tonumber(ARGV[10]), ARGV[11], ARGV[12] == '1'
local RECENT = 200

local s = load(id)
local before = s and s.total
if s and s.mine then
    local reserved = tonumber(split(s.mine)[1])
    redis.call('HDEL', STATE, 'r:' .. id)
    s.reserved = math.max(0, s.reserved - reserved)
    redis.call('HSET', STATE, 'reserved', text(s.reserved))
end

local foreign = 0
local newest = not s or ts > s.ts or (ts == s.ts and left < s.left)
if newest then
    local fields = {
        'left', text(left), 'ts', text(ts), 'tick_at', text(now + refill_in + SLACK), 'rate', text(rate),
        'flow_reduction', ARGV[7], 'as_of', text(now), 'offset', text(ts - now), 'forgiven', '0', 'doubt', '0',
    }
    if s then
        local forgiven = tonumber(redis.call('HGET', STATE, 'forgiven') or '0') or 0
        foreign = math.max(0, s.total - consumed - s.reserved - forgiven - left)
        if s.rate ~= rate then
            foreign = 0
        end
        local decayed = foreign > s.foreign and foreign or math.floor(s.foreign * 0.9)
        fields[#fields + 1], fields[#fields + 2] = 'foreign', text(decayed)
        if s.uncapped > s.capacity and s.left < s.capacity then
            redis.call('HINCRBY', METRICS, 'wasted', text(s.uncapped - s.capacity))
        end
        if foreign > 0 then
            redis.call('HINCRBY', METRICS, 'foreign', text(foreign))
            fields[#fields + 1], fields[#fields + 2] = 'foreign_at', text(now)
        end
    end
    redis.call('HSET', STATE, unpack(fields))
end

if consumed > 0 then
    redis.call('HINCRBY', METRICS, 'spent|' .. (task ~= '' and task or 'other'), text(consumed))
    if kind ~= '' and items > 0 then
        local each, key = consumed / items, PRICES .. ':' .. kind
        redis.call('LPUSH', key, each)
        redis.call('LTRIM', key, 0, RECENT - 1)
        local worst, sum, recent = 0, 0, redis.call('LRANGE', key, 0, -1)
        for _, value in ipairs(recent) do
            worst = math.max(worst, tonumber(value))
            sum = sum + tonumber(value)
        end
        redis.call('HSET', PRICES, kind .. ':mean', sum / #recent, kind .. ':worst', worst)
    end
end
if refused then
    redis.call('HINCRBY', METRICS, 'rejected_429', 1)
end

s = load()
wake_heads(s)
return { newest and 1 or 0, before and text(before) or '', foreign }
