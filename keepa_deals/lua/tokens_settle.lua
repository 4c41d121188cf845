--#include tokens_common
--#include tokens_held
-- Settles a reservation (or none) with an answer of Keepa, and takes its balance when it is the newest.
-- ARGV  2 id or ''  3 Keepa's timestamp in ms  4 tokensLeft  5 refillIn in ms  6 refillRate
--       7 tokenFlowReduction  8 tokensConsumed  9 kind or ''  10 items  11 task or ''  12 '1' for a 429
--       13 processingTimeInMs  (the caller has checked that they can be true)
-- Returns {1 when the balance was taken else 0, what we believed was there or '', tokens spent by others,
--          1 for a refusal that only came because a tick was late, the first of its kind for a while}
local id, ts, left = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local refill_in, rate, consumed = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[8])
local kind, items, task, refused = ARGV[9], tonumber(ARGV[10]), ARGV[11], ARGV[12] == '1'
local RECENT = 200
local SELDOM = 10 * TICK -- two refusals within it are no accident
if ts > now + DAY then
    ts = now -- no clock of Keepa's: what comes after it would never be newer
end
local told = ts + tonumber(ARGV[13]) + refill_in

-- Remembers what an item of this kind cost; the last calls are a list, their sum and highest stand beside it.
local function learn(each)
    local key = PRICES .. ':' .. kind
    local _, worst, sum = learned(kind, 0)
    local length = redis.pcall('LPUSH', key, each)
    if type(length) ~= 'number' then
        redis.call('DEL', key)
        length = redis.call('LPUSH', key, each)
    end
    local dropped = length > RECENT and tonumber(redis.call('RPOP', key))
    worst, sum = math.max(worst, each), (sum or 0) + each - (dropped or 0)
    if dropped and dropped >= worst and each < worst then
        worst, sum = 0, 0
        for _, value in ipairs(redis.call('LRANGE', key, 0, -1)) do
            worst, sum = math.max(worst, tonumber(value) or 0), sum + (tonumber(value) or 0)
        end
    end
    local packed = cmsgpack.pack(sum / math.min(length, RECENT), worst, sum)
    if type(redis.pcall('HSET', PRICES, kind, packed)) ~= 'number' then
        redis.call('DEL', PRICES)
        redis.call('HSET', PRICES, kind, packed)
    end
end

--#include tokens_ticks

local s = load(id)
local believed = s and string.format('%.0f', s.total) or ''
local asked_since, foreign, late_tick = false, 0, false
if s then
    local _, expiry = unreserve(s, id)
    late_tick = is_refused_at_tick(s)
    if expiry then -- granted after the last answer had come
        asked_since = expiry - LIFE > s.as_of
    elseif id == '' then -- what Keepa is asked for because of the doubt
        asked_since = s.doubt or is_older(s, RECHECK)
    end
end
-- Keepa's clock orders the answers of calls that were under way together; for the rest the order of events does,
-- so that a clock which was set back does not make every answer an old one.
local newest = not s or ts > s.ts or (ts == s.ts and left < s.left) or asked_since
if newest then
    if s then
        local ticks = ticks_since(s)
        foreign = spent_by_others(s, ticks)
        if foreign > 0 then
            s.foreign_at = now
            count('foreign', foreign)
        end
        if s.uncapped > s.capacity and s.left < s.capacity then
            count('wasted', s.uncapped - s.capacity)
        end
        learn_ticks(s, ticks)
    else
        redis.call('DEL', ACCOUNT, BASE .. 'waiting', BASE .. 'small', BASE .. 'bulk')
        s = {
            reserved = 0, next_expiry = 0, recovering = false, foreign = 0, foreign_at = 0, queued = 0, places = 0,
            bulk_since = 0, bulk_burst = 0, small_spent = 0, told = told, exact = refill_in > AT_FLOOR, late = LATE,
            dev = DEVIATION, refused_at = 0, refused_at_tick = false,
        }
    end
    s.left, s.ts, s.rate, s.as_of, s.offset, s.doubt, s.forgiven = left, ts, rate, now, ts - now, false, 0
    s.refill = math.max(0, math.min(rate, math.floor(rate - tonumber(ARGV[7]))))
    s.tick_at = now + math.ceil(refill_in + slack(s))
    s.period = math.ceil(TICK + math.max(0, s.late + s.dev / 2))
    s.foreign = math.max(foreign, math.floor(s.foreign * 0.9))
end
if refused then
    count('rejected_429')
    s.refused_at_tick = late_tick and now - s.refused_at > SELDOM
    s.refused_at = now
    if s.refused_at_tick then
        count('rejected_at_tick')
    end
end
save(s)

if consumed > 0 then
    count('spent|' .. (task ~= '' and task or 'other'), consumed)
    if kind ~= '' and items > 0 then
        learn(consumed / items)
    end
end
if s.queued > 0 then
    --#include tokens_queue
    s = load(id)
    wake_heads(s)
    save(s)
end
return { newest and 1 or 0, believed, foreign, s.refused_at_tick and refused and 1 or 0 }
