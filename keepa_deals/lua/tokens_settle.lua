--#include tokens_common
-- Settles a reservation (or none) with an answer of Keepa, and takes its balance when it is the newest.
-- ARGV  4 id or ''  5 Keepa's timestamp in ms  6 tokensLeft  7 refillIn in ms  8 refillRate
--       9 tokenFlowReduction  10 tokensConsumed  11 kind or ''  12 items  13 task or ''  14 '1' for a 429
-- Returns {1 when the balance was taken else 0, what we believed was there or '', tokens spent by others}
local id, ts, left = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local refill_in, rate, consumed = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[10])
local kind, items, task, refused = ARGV[11], tonumber(ARGV[12]), ARGV[13], ARGV[14] == '1'
local RECENT = 200

local s = load()
if not s then -- the account was forgotten, and what was reserved with it
    redis.call('DEL', RESERVED)
    redis.call('HSET', STATE, 'reserved', '0', 'next_expiry', '')
end
local before = s and s.total
local known = id ~= '' and redis.call('HGET', RESERVED, id)
if known then
    local reserved = tonumber(split(known)[1])
    redis.call('HDEL', RESERVED, id)
    if s then
        s.reserved = math.max(0, s.reserved - reserved)
    end
    redis.call('HINCRBY', STATE, 'reserved', text(-reserved))
end

local foreign = 0
local newest = not s or ts > s.ts or (ts == s.ts and left < s.left)
if newest then
    local fields = {
        'left', text(left), 'ts', text(ts), 'tick_at', text(now + refill_in + SLACK), 'rate', text(rate),
        'flow_reduction', ARGV[9], 'as_of', text(now), 'offset', text(ts - now), 'forgiven', '0', 'doubt', '0',
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
