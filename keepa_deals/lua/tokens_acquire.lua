--#include tokens_common
-- Decides one request: reserves its tokens, or says how long to wait and keeps its place in the queue.
-- ARGV  2 id  3 lane: upsert, small or bulk  4 cost of an item  5 kind or ''  6 most items  7 fewest items
--       8 '1' to learn the price of bulk (else 4 is exact)  9 '1' to queue when refused
--       10 items of a call with an exact cost
-- Returns {'granted', reserved, items, waited ms} | {'wait', ms, reason} | {'unknown', as of} | {'never', capacity}
local id, lane, price, kind = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local most, fewest = tonumber(ARGV[6]), tonumber(ARGV[7])
local learns, queues, exact_items = ARGV[8] == '1', ARGV[9] == '1', tonumber(ARGV[10])
local queue = lane == 'bulk' and BULK or SMALL
local lane_name = lane == 'bulk' and 'bulk' or 'small'

local s = load(id)
if not s or s.doubt or now - s.as_of > TOO_OLD then
    return { 'unknown', s and text(s.as_of) or '' }
end
if s.mine then -- the answer to the first try was lost
    local parts = split(s.mine)
    return { 'granted', tonumber(parts[1]), tonumber(parts[3]), 0 }
end
local bulk_waits = s.queued > 0 and head(BULK)

local function learned(of, fallback)
    local f = redis.call('HMGET', PRICES, of .. ':mean', of .. ':worst')
    return tonumber(f[1] or '') or fallback, tonumber(f[2] or '') or 0
end

-- what the rule asks for
local need, reserve, items, limit_wait = nil, nil, fewest, nil
if lane == 'bulk' then
    local _, deal_worst = learned('deal', 0)
    local keep = math.max(UPSERT_TOKENS, deal_worst) * (1 + UPSERT_RUNS) + s.foreign
    local q = price
    if learns then
        local mean, worst = learned(kind, price)
        q = math.max(4 * mean, worst, price)
        q = math.min(q, s.capacity / fewest)
    end
    local least = math.ceil(q * fewest)
    if least > s.capacity then
        return { 'never', s.capacity }
    end
    local ceiling = s.capacity - s.refill
    local bound = math.min(THRESHOLD, ceiling)
    local recovered = s.recovering
    if s.total < bound then
        s.recovering = true
    elseif s.total >= math.min(TARGET, ceiling) then
        s.recovering = false
    end
    if s.recovering ~= recovered then
        redis.call('HSET', STATE, 'recovering', s.recovering and '1' or '0')
    end
    if s.recovering then
        bound = math.min(TARGET, ceiling)
    end
    need = math.max(least, math.min(keep + least, ceiling), bound)
    if s.available >= need then
        items = math.max(fewest, math.min(most, math.floor((s.available - keep) / q)))
    end
    reserve = math.ceil(q * items)
    if not learns and kind ~= '' then
        local mean, worst = learned(kind, 0)
        reserve = math.max(reserve, math.ceil(math.max(4 * mean, worst) * exact_items))
    end
else
    need = price * fewest
    if need > s.capacity then
        return { 'never', s.capacity }
    end
    reserve = need
    if kind ~= '' then
        local _, worst = learned(kind, 0)
        reserve = math.max(need, math.ceil(worst * exact_items))
    end
    if lane == 'small' and bulk_waits then -- a stream of small requests must leave bulk its share
        local f = redis.call('HMGET', STATE, 'bulk_since', 'bulk_burst', 'small_spent')
        local share = SHARE / 100 * s.refill
        local over = tonumber(f[3] or '0') + need - tonumber(f[2] or '0')
        local since = tonumber(f[1] or '') or now
        local ticks = share > 0 and math.ceil(over / share) or 0
        if over > 0 and now < since + ticks * TICK then
            limit_wait = since + ticks * TICK - now
        end
    end
end

-- its turn?
local score = s.queued > 0 and redis.call('ZSCORE', queue, id)
local first = s.queued > 0 and head(queue)
local my_turn = not first or first == id
if not my_turn and lane == 'upsert' and not score then
    my_turn = tonumber(redis.call('ZSCORE', queue, first)) >= 1e12
end

if my_turn and s.available >= need and not limit_wait then
    local waited = 0
    if score then
        waited = now - tonumber(split(redis.call('HGET', WAITING, id) or '0|0|' .. text(now))[3])
        dequeue(queue, id)
        redis.call('DEL', WAKE .. id)
    end
    local expiry = now + LIFE
    s.reserved = s.reserved + reserve
    s.available = s.available - reserve
    local soonest = math.min(expiry, s.next_expiry or expiry)
    redis.call('HSET', STATE, 'r:' .. id, text(reserve) .. '|' .. text(expiry) .. '|' .. text(items),
        'reserved', text(s.reserved), 'next_expiry', text(soonest))
    if lane == 'bulk' then
        redis.call('HSET', STATE, 'bulk_since', text(now), 'bulk_burst', text(math.max(PASS, s.available)),
            'small_spent', '0')
    elseif bulk_waits then
        redis.call('HINCRBY', STATE, 'small_spent', text(need))
    end
    redis.call('HINCRBY', METRICS, 'grants|' .. lane_name, 1)
    if waited > 0 then
        local bucket = 'inf'
        for _, edge in ipairs({ 1000, 5000, 15000, 60000, 120000, 300000, 900000 }) do
            if waited <= edge then
                bucket = text(edge)
                break
            end
        end
        redis.call('HINCRBY', METRICS, 'waited_ms|' .. lane_name, text(waited))
        redis.call('HINCRBY', METRICS, 'waited_le|' .. lane_name .. '|' .. bucket, 1)
    end
    if score then
        wake_heads(s)
    end
    return { 'granted', reserve, items, waited }
end

-- refused: how long, and why
local wait, reason
if limit_wait then
    wait, reason = limit_wait, 'bulk has its share of the refill'
elseif s.available < need then
    wait, reason = until_available(s, need), s.recovering and lane == 'bulk' and 'recovering' or 'tokens'
else
    wait, reason = s.next_tick - now, 'others wait in front'
end
wait = math.max(1, wait + (lane == 'bulk' and SLACK or 0))
if queues then
    if not score then
        local place = redis.call('HINCRBY', STATE, 'places', 1) + (lane == 'upsert' and 0 or 1e12)
        if lane == 'bulk' and not bulk_waits then
            redis.call('HSET', STATE, 'bulk_since', text(now),
                'bulk_burst', text(math.max(PASS, s.available)), 'small_spent', '0')
        end
        redis.call('ZADD', queue, place, id)
        redis.call('HINCRBY', STATE, 'queued', 1)
        redis.call('HINCRBY', METRICS, 'waits|' .. lane_name, 1)
        redis.call('HSET', WAITING, id, text(need) .. '|' .. text(now + wait + TICK + 5000) .. '|' .. text(now))
    else
        local since = split(redis.call('HGET', WAITING, id))[3]
        redis.call('HSET', WAITING, id, text(need) .. '|' .. text(now + wait + TICK + 5000) .. '|' .. since)
    end
else
    redis.call('HINCRBY', METRICS, 'refusals|' .. lane_name, 1)
end
return { 'wait', text(wait), reason }
