--#include tokens_common
-- Decides one request: reserves its tokens, or says how long to wait and keeps its place in the queue.
-- ARGV  4 id  5 lane: upsert, small or bulk  6 cost of an item  7 kind or ''  8 most items  9 fewest items
--       10 '1' to learn the price of bulk (else 6 is exact)  11 '1' to queue when refused  12 reservation's life in ms
--       13 threshold  14 target  15 upserter's tokens a run  16 its runs a tick, rounded up
--       17 what small requests may take of the refill while bulk waits, in percent  18 priority pass
--       19 state is too old after so many ms  20 items of a call with an exact cost
-- Returns {'granted', reserved, items, waited ms} | {'wait', ms, reason} | {'unknown', as of} | {'never', capacity}
local id, lane, price, kind = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local most, fewest = tonumber(ARGV[8]), tonumber(ARGV[9])
local learns, queues, life = ARGV[10] == '1', ARGV[11] == '1', tonumber(ARGV[12])
local threshold, target = tonumber(ARGV[13]), tonumber(ARGV[14])
local pass, exact_items = tonumber(ARGV[18]), tonumber(ARGV[20])
local queue = lane == 'bulk' and BULK or SMALL
local lane_name = lane == 'bulk' and 'bulk' or 'small'

local s = load()
if not s or s.doubt or now - s.as_of > tonumber(ARGV[19]) then
    return { 'unknown', s and text(s.as_of) or '' }
end

local already = redis.call('HGET', RESERVED, id)
if already then -- the answer to the first try was lost
    local parts = split(already)
    return { 'granted', tonumber(parts[1]), tonumber(parts[3]), 0 }
end

local function learned(of, fallback)
    local f = redis.call('HMGET', PRICES, of .. ':mean', of .. ':worst')
    return tonumber(f[1] or '') or fallback, tonumber(f[2] or '') or 0
end

-- what the rule asks for
local need, reserve, items, limit_wait = nil, nil, fewest, nil
if lane == 'bulk' then
    local upserter = tonumber(ARGV[15])
    local _, deal_worst = learned('deal', 0)
    local keep = math.max(upserter, deal_worst) * (1 + tonumber(ARGV[16])) + s.foreign
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
    local bound = math.min(threshold, ceiling)
    if s.total < bound then
        s.recovering = true
    elseif s.total >= math.min(target, ceiling) then
        s.recovering = false
    end
    redis.call('HSET', STATE, 'recovering', s.recovering and '1' or '0')
    if s.recovering then
        bound = math.min(target, ceiling)
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
    if lane == 'small' and head(BULK) then -- a stream of small requests must leave bulk its share
        local f = redis.call('HMGET', STATE, 'bulk_since', 'bulk_burst', 'small_spent')
        local share = tonumber(ARGV[17]) / 100 * s.refill
        local over = tonumber(f[3] or '0') + need - tonumber(f[2] or '0')
        local since = tonumber(f[1] or '') or now
        local ticks = share > 0 and math.ceil(over / share) or 0
        if over > 0 and now < since + ticks * TICK then
            limit_wait = since + ticks * TICK - now
        end
    end
end

-- its turn?
local score = redis.call('ZSCORE', queue, id)
local first = head(queue)
local my_turn = not first or first == id
if not my_turn and lane == 'upsert' and not score then
    my_turn = tonumber(redis.call('ZSCORE', queue, first)) >= 1e12
end

if my_turn and s.available >= need and not limit_wait then
    local waited = 0
    if score then
        waited = now - tonumber(split(redis.call('HGET', WAITING, id) or '0|0|' .. text(now))[3])
        redis.call('ZREM', queue, id)
        redis.call('HDEL', WAITING, id)
        redis.call('DEL', WAKE .. id)
    end
    local expiry = now + life
    redis.call('HSET', RESERVED, id, text(reserve) .. '|' .. text(expiry) .. '|' .. text(items))
    s.reserved = s.reserved + reserve
    s.available = s.available - reserve
    local state = { 'reserved', text(s.reserved) }
    if not s.next_expiry or expiry < s.next_expiry then
        state[3], state[4] = 'next_expiry', text(expiry)
    end
    redis.call('HSET', STATE, unpack(state))
    if lane == 'bulk' then
        redis.call('HSET', STATE, 'bulk_since', text(now), 'bulk_burst', text(math.max(pass, s.available)),
            'small_spent', '0')
    elseif head(BULK) then
        redis.call('HINCRBY', STATE, 'small_spent', text(need))
    end
    redis.call('HINCRBY', METRICS, 'grants|' .. lane_name, 1)
    redis.call('HINCRBY', METRICS, 'waited_ms|' .. lane_name, text(waited))
    local bucket = 'inf'
    for _, edge in ipairs({ 0, 1000, 5000, 15000, 60000, 120000, 300000, 900000 }) do
        if waited <= edge then
            bucket = text(edge)
            break
        end
    end
    redis.call('HINCRBY', METRICS, 'waited_le|' .. lane_name .. '|' .. bucket, 1)
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
        if lane == 'bulk' and not head(BULK) then
            redis.call('HSET', STATE, 'bulk_since', text(now),
                'bulk_burst', text(math.max(pass, s.available)), 'small_spent', '0')
        end
        redis.call('ZADD', queue, place, id)
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
