--#include tokens_common
--#include tokens_held
-- Settles a reservation (or none) with an answer of Keepa, and takes its balance when it is the newest.
-- ARGV  2 id or ''  3 Keepa's timestamp in ms  4 tokensLeft  5 refillIn in ms  6 refillRate
--       7 tokenFlowReduction  8 tokensConsumed  9 kind or ''  10 items  11 task or ''  12 '1' for a 429
-- Returns {1 when the balance was taken else 0, what we believed was there or '', tokens spent by others}
local id, ts, left = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local refill_in, rate, consumed = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[8])
local kind, items, task, refused = ARGV[9], tonumber(ARGV[10]), ARGV[11], ARGV[12] == '1'
local RECENT = 200

-- Remembers what an item of this kind cost; the last calls are a list, their sum and highest stand beside it.
local function learn(each)
    local key = PRICES .. ':' .. kind
    local _, worst, sum = learned(kind, 0)
    local count = redis.call('LPUSH', key, each)
    local dropped = count > RECENT and tonumber(redis.call('RPOP', key))
    worst, sum = math.max(worst, each), (sum or 0) + each - (dropped or 0)
    if dropped and dropped >= worst and each < worst then
        worst, sum = 0, 0
        for _, value in ipairs(redis.call('LRANGE', key, 0, -1)) do
            worst, sum = math.max(worst, tonumber(value)), sum + tonumber(value)
        end
    end
    redis.call('HSET', PRICES, kind, cmsgpack.pack(sum / math.min(count, RECENT), worst, sum))
end

-- Tokens that are missing though we did not spend them. The answer tells of the moment at which Keepa made it: a
-- tick that has come since, while it was on its way, is no loss. So the ticks are counted by Keepa's clock, too.
local function spent_by_others(s)
    if s.rate ~= rate then
        return 0
    end
    local first = s.ts + s.tick_at - SLACK - s.as_of
    local ticks = ts - SLACK >= first and 1 + math.floor((ts - SLACK - first) / TICK) or 0
    local there = math.min(s.total, s.left + ticks * s.refill)
    return math.max(0, there - consumed - s.reserved - s.forgiven - left)
end

local s = load(id)
local believed = s and string.format('%.0f', s.total) or ''
local asked_since, foreign = false, 0
if s then
    local _, expiry = unreserve(s, id)
    if expiry then -- granted after the last answer had come
        asked_since = expiry - LIFE > s.as_of
    elseif id == '' then -- what Keepa is asked for because of the doubt
        asked_since = s.doubt or now - s.as_of > TOO_OLD
    end
end
-- Keepa's clock orders the answers of calls that were under way together; for the rest the order of events does,
-- so that a clock which was set back does not make every answer an old one.
local newest = not s or ts > s.ts or (ts == s.ts and left < s.left) or asked_since
if newest then
    if s then
        foreign = spent_by_others(s)
        if foreign > 0 then
            s.foreign_at = now
            redis.call('HINCRBY', METRICS, 'foreign', foreign)
        end
        if s.uncapped > s.capacity and s.left < s.capacity then
            redis.call('HINCRBY', METRICS, 'wasted', s.uncapped - s.capacity)
        end
    else
        redis.call('DEL', ACCOUNT, BASE .. 'waiting', BASE .. 'small', BASE .. 'bulk')
        s = {
            reserved = 0, next_expiry = 0, recovering = false, foreign = 0, foreign_at = 0, queued = 0, places = 0,
            bulk_since = 0, bulk_burst = 0, small_spent = 0,
        }
    end
    s.left, s.ts, s.rate, s.as_of, s.offset, s.doubt, s.forgiven = left, ts, rate, now, ts - now, false, 0
    s.refill = math.max(0, math.floor(rate - tonumber(ARGV[7])))
    s.tick_at = now + refill_in + SLACK
    s.foreign = math.max(foreign, math.floor(s.foreign * 0.9))
end
save(s)

if consumed > 0 then
    redis.call('HINCRBY', METRICS, 'spent|' .. (task ~= '' and task or 'other'), consumed)
    if kind ~= '' and items > 0 then
        learn(consumed / items)
    end
end
if refused then
    redis.call('HINCRBY', METRICS, 'rejected_429', 1)
end
if s.queued > 0 then
    --#include tokens_queue
    s = load(id)
    wake_heads(s)
    save(s)
end
return { newest and 1 or 0, believed, foreign }
