-- What the token scripts share; included by them, never run alone.
-- KEYS  1 the account  2 metrics  (queues and prices stand beside the account, under the same hash tag)
-- ARGV  1 now in ms, or '' for the server's clock  (the rest: see each script)
-- The policy's numbers (Policy.constants) are part of the script: they don't change while a process lives.
-- All records are packed lists. The account is a hash: its own record in the field '.', and each reservation by its
-- id: tokens, expiry in ms, items. A price, by its kind: mean, highest, sum of the last calls.
local ACCOUNT, METRICS = KEYS[1], KEYS[2]
local BASE = string.sub(ACCOUNT, 1, -8)
local PRICES = BASE .. 'learned'
--#constants
local CAPACITY_TICKS = 60
local LAYOUT = 2 -- of the account's record: one of another layout is an account that nobody knows

local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Writes the account, and a reservation if one is named.
local function save(s, id, reservation)
    local packed = cmsgpack.pack(LAYOUT, s.left, s.ts, s.tick_at, s.rate, s.refill, s.as_of, s.offset, s.doubt,
        s.forgiven, s.foreign, s.foreign_at, s.reserved, s.next_expiry, s.recovering, s.queued, s.places, s.bulk_since,
        s.bulk_burst, s.small_spent)
    if id then
        redis.call('HSET', ACCOUNT, '.', packed, id, reservation)
    else
        redis.call('HSET', ACCOUNT, '.', packed)
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
            local cost, expiry = cmsgpack.unpack(all[i + 1])
            if expiry <= now then
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
        redis.call('HINCRBY', METRICS, 'expired', lapsed)
    end
    save(s)
end

-- The account at this moment, with the reservation 'id' as 'mine' if it has one; nil when its balance is not known.
local function load(id)
    local found = redis.call('HMGET', ACCOUNT, '.', id)
    if not found[1] then
        return nil
    end
    local layout, left, ts, tick_at, rate, refill, as_of, offset, doubt, forgiven, foreign, foreign_at,
        reserved, next_expiry, recovering, queued, places, bulk_since, bulk_burst, small_spent = cmsgpack.unpack(found[1])
    if layout ~= LAYOUT then
        return nil
    end
    local ticks = now >= tick_at and 1 + math.floor((now - tick_at) / TICK) or 0
    local capacity, uncapped = CAPACITY_TICKS * rate, left + ticks * refill
    local s = {
        left = left, ts = ts, tick_at = tick_at, rate = rate, refill = refill, as_of = as_of, offset = offset,
        doubt = doubt, forgiven = forgiven, foreign = foreign, foreign_at = foreign_at,
        reserved = reserved, next_expiry = next_expiry, recovering = recovering, queued = queued, places = places, bulk_since = bulk_since,
        bulk_burst = bulk_burst, small_spent = small_spent,
        capacity = capacity, uncapped = uncapped, total = math.max(left, math.min(capacity, uncapped)),
        next_tick = tick_at + ticks * TICK, available = 0, mine = found[2],
    }
    expire(s)
    s.available = s.total - s.reserved
    return s
end

-- What an item of a kind of call costs: the mean and the most of the last calls.
local function learned(kind, mean)
    local price = redis.call('HGET', PRICES, kind)
    if not price then
        return mean, 0
    end
    return cmsgpack.unpack(price)
end
