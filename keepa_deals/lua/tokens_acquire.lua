--#include tokens_common
-- Decides one request: reserves its tokens, or says how long to wait and keeps its place in the queue.
-- ARGV  2 the request: id|lane (upsert, small, bulk)|exact or learn|tokens of the call (exact) or of an item (learn)|
--         fewest items|most items|queue or try|kind or nothing
-- Returns {'granted', reserved, items} | {'wait', ms, reason, ms until it can hold} | {'unknown', as of} |
--         {'never', capacity}
local id, lane, mode, price, fewest, most, patience, kind = string.match(
    ARGV[2], '^([^|]+)|(%a+)|(%a+)|(%d+)|(%d+)|(%d+)|(%a+)|(.*)$')
price, most = tonumber(price), tonumber(most)
local is_bulk = lane == 'bulk'
local lane_name = is_bulk and 'bulk' or 'small'

local s = load(id)
local function unknown()
    return { 'unknown', s and string.format('%.0f', s.as_of) or '' }
end
if not s or s.doubt or is_older(s, TOO_OLD) then
    return unknown()
end

if s.mine then -- the answer to the first try was lost on its way
    local reserved, _, items = reservation(s.mine)
    if reserved then
        return { 'granted', reserved, items }
    end
end

local function grant(reserve, items)
    local expiry = now + LIFE
    s.reserved, s.available = s.reserved + reserve, s.available - reserve
    s.next_expiry = s.next_expiry == 0 and expiry or math.min(expiry, s.next_expiry)
    save(s, id, cmsgpack.pack(reserve, expiry, items))
    count('grants|' .. lane_name)
    return { 'granted', reserve, items }
end

-- What a small request reserves: what it costs, or the most that its kind was seen to cost.
local function small_reserve()
    if kind == '' then
        return price
    end
    local _, worst = learned(kind, 0)
    return math.max(price, math.ceil(worst * most))
end

if s.queued == 0 and not is_bulk and s.available >= price then
    return grant(small_reserve(), most) -- nobody waits, and the tokens are there: the common case, kept short
end

--#include tokens_queue
local learns, queues = mode == 'learn', patience == 'queue'
fewest = tonumber(fewest)
local queue = is_bulk and BULK or SMALL
local bulk_waits = head(s, BULK)
--#include tokens_rules

local function my_turn(place)
    local first = head(s, queue)
    if not first or first == id then
        return true
    end
    return lane == 'upsert' and not place and tonumber(redis.call('ZSCORE', queue, first)) >= OTHERS
end

local function count_wait(waited)
    local bucket = 'inf'
    for _, edge in ipairs({ 1000, 5000, 15000, 60000, 120000, 300000, 900000 }) do
        if waited <= edge then
            bucket = string.format('%.0f', edge)
            break
        end
    end
    count('waited_ms|' .. lane_name, waited)
    count('waited_le|' .. lane_name .. '|' .. bucket)
end

-- From here on the small lane may spend what is there now, and its share of the refill.
local function bulk_begins_to_wait(available)
    s.bulk_since, s.bulk_burst, s.small_spent = now, math.max(PASS, available), 0
end

local need, reserve, items = price, nil, most
if price * (learns and fewest or 1) > s.capacity then
    save(s)
    return { 'never', s.capacity }
elseif is_bulk then
    need, reserve, items = bulk_rule()
else
    reserve = small_reserve()
end
local place = s.queued > 0 and redis.call('ZSCORE', queue, id)
local limited = lane == 'small' and bulk_waits and limited_for(need)

if s.available >= need and not limited and my_turn(place) then
    if is_bulk then
        bulk_begins_to_wait(s.available - reserve)
    elseif bulk_waits then
        s.small_spent = s.small_spent + need
    end
    if place then
        local _, _, since = waiter(id)
        count_wait(now - (since or now))
        dequeue(s, queue, id)
        s.available = s.available - reserve
        wake_heads(s)
        s.available = s.available + reserve
    end
    return grant(reserve, items)
end

-- refused: how long, and why
local wait, reason
if limited then
    wait, reason = limited, 'bulk has its share of the refill'
elseif s.available >= need then
    wait, reason = s.next_tick - now, 'others wait in front'
else
    wait, reason = until_available(s, need), is_bulk and s.recovering and 'recovering' or 'tokens'
end
if s.next_expiry > now then
    wait = math.min(wait, s.next_expiry - now) -- then Keepa is asked, and may say that more is there
end
wait = math.max(1, math.ceil(wait) + (is_bulk and SLACK or 0))
local nap = wait
if queues and is_deep(s) then -- such a balance may be wrong: Keepa is asked now and then, though it is free of news
    if is_older(s, RECHECK) then
        return unknown()
    end
    nap = math.min(wait, math.max(1, s.as_of + RECHECK + 1 - now))
end
if queues then
    local _, _, since = waiter(id)
    if not place then
        if is_bulk and not bulk_waits then
            bulk_begins_to_wait(s.available)
        end
        s.places, s.queued = s.places + 1, s.queued + 1
        redis.call('ZADD', queue, s.places + (lane == 'upsert' and 0 or OTHERS), id)
        count('waits|' .. lane_name)
    end
    redis.call('HSET', WAITING, id, cmsgpack.pack(need, now + nap, since or now, limited and true or false))
else
    count('refusals|' .. lane_name)
end
save(s)
return { 'wait', nap, reason, wait }
