-- What the token scripts share; included by them, never run alone.
-- KEYS  1 the account's state  2 metrics  (queues and prices stand beside the state, under the same hash tag)
-- ARGV  1 now in ms, or '' for the server's clock  (the rest: see each script)
-- The policy's numbers (Policy.constants) are part of the script: they don't change while a process lives.
-- A field 'r:<id>' of the state is a reservation: tokens|expiry in ms|items.
local STATE, METRICS = KEYS[1], KEYS[2]
local BASE = string.sub(STATE, 1, -6)
local WAITING, SMALL, BULK = BASE .. 'waiting', BASE .. 'small', BASE .. 'bulk'
local PRICES, WAKE = BASE .. 'prices', BASE .. 'wake:'
--#constants
local CAPACITY_TICKS = 60

local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function text(number)
    return string.format('%.0f', number)
end

local function split(value)
    local parts = {}
    for part in string.gmatch(value, '[^|]+') do
        parts[#parts + 1] = part
    end
    return parts
end

-- Drops reservations whose time is over. Their calls may have been charged, so the balance is in doubt until
-- the next answer; 'forgiven' remembers by how much.
local function expire(s)
    if not s.next_expiry or now < s.next_expiry then
        return
    end
    local all, sum, soonest, forgiven = redis.call('HGETALL', STATE), 0, nil, 0
    for i = 1, #all, 2 do
        if string.sub(all[i], 1, 2) == 'r:' then
            local parts = split(all[i + 1])
            local cost, expiry = tonumber(parts[1]), tonumber(parts[2])
            if expiry <= now then
                redis.call('HDEL', STATE, all[i])
                forgiven = forgiven + cost
            else
                sum = sum + cost
                if not soonest or expiry < soonest then soonest = expiry end
            end
        end
    end
    s.reserved, s.next_expiry = sum, soonest
    redis.call('HSET', STATE, 'reserved', text(sum), 'next_expiry', soonest and text(soonest) or '')
    if forgiven > 0 then
        redis.call('HINCRBY', STATE, 'forgiven', text(forgiven))
        redis.call('HSET', STATE, 'doubt', '1')
        s.doubt = true
        redis.call('HINCRBY', METRICS, 'expired', text(forgiven))
    end
end

-- The account at this moment, with the reservation 'id' if it has one; nil when its balance is not known.
local function load(id)
    local f = redis.call('HMGET', STATE, 'left', 'ts', 'tick_at', 'rate', 'flow_reduction', 'reserved',
        'next_expiry', 'recovering', 'foreign', 'as_of', 'doubt', 'queued', 'r:' .. (id or ''))
    if not f[1] then
        return nil
    end
    local left, tick_at, rate, ticks = tonumber(f[1]), tonumber(f[3]), tonumber(f[4]), 0
    local refill, capacity = math.max(0, math.floor(rate - tonumber(f[5] or '0'))), CAPACITY_TICKS * rate
    if now >= tick_at then
        ticks = 1 + math.floor((now - tick_at) / TICK)
    end
    local uncapped = left + ticks * refill
    local s = {
        left = left, ts = tonumber(f[2]), as_of = tonumber(f[10]), rate = rate, refill = refill,
        capacity = capacity, uncapped = uncapped, total = math.max(left, math.min(capacity, uncapped)),
        next_tick = tick_at + ticks * TICK, reserved = tonumber(f[6] or '0') or 0,
        next_expiry = tonumber(f[7] or ''), recovering = f[8] == '1', foreign = tonumber(f[9] or '0') or 0,
        doubt = f[11] == '1', queued = tonumber(f[12] or '0') or 0, mine = f[13], available = 0,
    }
    expire(s)
    s.available = s.total - s.reserved
    return s
end

-- Milliseconds until the tick that brings the available tokens to 'need'.
local function until_available(s, need)
    if s.refill <= 0 then
        return 10 * TICK
    end
    local ticks = math.max(1, math.ceil((need - s.available) / s.refill))
    return s.next_tick + (ticks - 1) * TICK - now
end

local function dequeue(queue, id)
    local gone = redis.call('ZREM', queue, id)
    if gone > 0 then
        redis.call('HDEL', WAITING, id)
        redis.call('HINCRBY', STATE, 'queued', -1)
    end
    return gone
end

-- The first live waiter of a queue: its id, need, lease, since. Waiters whose lease is over are dropped.
local function head(queue)
    while true do
        local id = redis.call('ZRANGE', queue, 0, 0)[1]
        if not id then
            return nil
        end
        local record = redis.call('HGET', WAITING, id)
        local parts = record and split(record)
        if parts and tonumber(parts[2]) > now then
            return id, tonumber(parts[1])
        end
        dequeue(queue, id)
    end
end

local function wake(id)
    local key = WAKE .. id
    redis.call('DEL', key)
    redis.call('LPUSH', key, '1')
    redis.call('PEXPIRE', key, text(2 * TICK + 10000))
end

-- Wakes the first of each lane when the tokens that it waits for are there.
local function wake_heads(s)
    if s.queued == 0 then
        return
    end
    for _, queue in ipairs({ SMALL, BULK }) do
        local id, need = head(queue)
        if id and s.available >= need then
            wake(id)
        end
    end
end
