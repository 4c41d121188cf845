-- What the token scripts share; included by them, never run alone.
-- KEYS  1 the account  2 metrics  (queues and prices stand beside the account, under the same hash tag)
-- ARGV  1 now in ms, or '' for the server's clock  (the rest: see each script)
-- The policy's numbers (Policy.constants) are part of the script: they don't change while a process lives.
-- All records are packed lists. The account is a hash: its own record in the field '.', and each reservation by its
-- id: tokens, expiry in ms, items. A price, by its kind: mean, highest, sum of the last calls.
-- What is found under these keys was not necessarily written by us: what cannot be read counts as not there.
local ACCOUNT, METRICS = KEYS[1], KEYS[2]
local BASE = string.sub(ACCOUNT, 1, -8)
local PRICES = BASE .. 'learned'
--#constants
local LAYOUT = 3 -- of the account's record: one of another layout is an account that nobody knows
local DAY = 86400000
local MOST = 1e9 -- tokens, of whatever kind: more is no number of ours
-- left, ts, refill, rate, offset: Keepa's last answer. told: when its next tick comes by Keepa's clock, and whether
-- that was told exactly. tick_at, period: the next tick and the distance of those after it, as we take them.
-- late, dev: by how much ticks come later than they should, and the mean deviation from it.
local NUMBERS = {
    'left', 'ts', 'tick_at', 'rate', 'refill', 'as_of', 'offset', 'forgiven', 'foreign', 'foreign_at', 'reserved',
    'next_expiry', 'queued', 'places', 'bulk_since', 'bulk_burst', 'small_spent', 'told', 'period', 'late', 'dev',
    'refused_at',
}
local FLAGS = { 'doubt', 'recovering', 'exact', 'refused_at_tick' }

local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Adds to a counter; one that holds no number begins anew.
local function count(name, tokens)
    if type(redis.pcall('HINCRBY', METRICS, name, tokens or 1)) ~= 'number' then
        redis.pcall('HSET', METRICS, name, tokens or 1)
    end
end

local function is_number(value, least, most)
    return type(value) == 'number' and value >= least and value <= most -- nan is neither
end

-- Writes the account, and a reservation if one is named.
local function save(s, id, reservation)
    local record = { LAYOUT }
    for i = 1, #NUMBERS do
        record[i + 1] = s[NUMBERS[i]]
    end
    for i = 1, #FLAGS do
        record[#NUMBERS + 1 + i] = s[FLAGS[i]]
    end
    if id then
        redis.call('HSET', ACCOUNT, '.', cmsgpack.pack(record), id, reservation)
    else
        redis.call('HSET', ACCOUNT, '.', cmsgpack.pack(record))
    end
end

-- A reservation's tokens, expiry and items; nil for what is none.
local function reservation(packed)
    local ok, cost, expiry, items = pcall(cmsgpack.unpack, packed)
    if ok and is_number(cost, 0, MOST) and is_number(expiry, 0, now + DAY) and is_number(items, 0, MOST) then
        return cost, expiry, items
    end
end

-- Drops reservations whose time is over. Their calls may have been charged, so the balance is in doubt until
-- the next answer; 'forgiven' remembers by how much.
local function expire(s)
    if s.next_expiry == 0 or now < s.next_expiry then
        return
    end
    local all, sum, soonest, lapsed = redis.call('HGETALL', ACCOUNT), 0, 0, 0
    for i = 1, #all, 2 do
        if all[i] ~= '.' then
            local cost, expiry = reservation(all[i + 1])
            if not cost then
                redis.call('HDEL', ACCOUNT, all[i])
                s.doubt = true
            elseif expiry <= now then
                redis.call('HDEL', ACCOUNT, all[i])
                lapsed = lapsed + cost
            else
                sum = sum + cost
                soonest = soonest == 0 and expiry or math.min(soonest, expiry)
            end
        end
    end
    s.reserved, s.next_expiry = sum, soonest
    if lapsed > 0 then
        s.forgiven, s.doubt = s.forgiven + lapsed, true
        count('expired', lapsed)
    end
    save(s)
end

-- The account's record as a table; nil when there is none, or none that can be true.
local function read(packed)
    local ok, record = pcall(cmsgpack.unpack, packed)
    if not ok or type(record) ~= 'table' or record[1] ~= LAYOUT then
        return nil
    end
    local s = {}
    for i = 1, #NUMBERS do
        local value = record[i + 1]
        if not is_number(value, -1e14, 1e14) then
            return nil
        end
        s[NUMBERS[i]] = value
    end
    for i = 1, #FLAGS do
        s[FLAGS[i]] = record[#NUMBERS + 1 + i] == true
    end
    local possible = is_number(s.rate, 1, MOST) and is_number(s.refill, 0, s.rate) and is_number(s.left, -MOST, MOST)
        and is_number(s.reserved, 0, MOST) and is_number(s.period, TICK, 2 * TICK) and is_number(s.as_of, 0, 1e13)
        and is_number(s.tick_at - s.as_of, 0, 2 * DAY) and is_number(s.queued, 0, MOST) and is_number(s.foreign, 0, MOST)
        and is_number(s.foreign_at, 0, 1e13) and is_number(s.next_expiry, 0, now + DAY)
    return possible and s or nil
end

-- The account at this moment, with the reservation 'id' as 'mine' if it has one; nil when its balance is not known.
local function load(id)
    local found = redis.pcall('HMGET', ACCOUNT, '.', id)
    local s = found[1] and read(found[1])
    if not s then
        return nil
    end
    local ticks = now >= s.tick_at and 1 + math.floor((now - s.tick_at) / s.period) or 0
    s.capacity, s.uncapped, s.mine = CAPACITY_TICKS * s.rate, s.left + ticks * s.refill, found[2]
    s.total = math.max(s.left, math.min(s.capacity, s.uncapped))
    s.next_tick = s.tick_at + ticks * s.period
    expire(s)
    s.available = s.total - s.reserved
    return s
end

-- Whether the balance is older than 'age' ms; so it is when it comes from a time that has not come (a clock was set).
local function is_older(s, age)
    return now - s.as_of > age or s.as_of - now > TICK
end

-- What an item of a kind of call costs: the mean and the most of the last calls.
local function learned(kind, mean)
    local price = redis.pcall('HGET', PRICES, kind)
    if type(price) == 'string' then
        local ok, average, worst, sum = pcall(cmsgpack.unpack, price)
        if ok and is_number(average, 0, MOST) and is_number(worst, 0, MOST) and is_number(sum, 0, 1e12) then
            return average, worst, sum
        end
    end
    return mean, 0
end

-- By how much a tick is taken to come later than Keepa says: hardly any will come later still.
local function slack(s)
    return math.min(LATEST, math.max(SLACK, s.late + math.max(SLACK, 4 * s.dev)))
end
