-- Those who wait: a queue a lane (the upserter's places come before all others'), and a record of each, by its id:
-- need, when it will ask again in ms, waiting since, whether it waits for the small lane's share to grow.
local WAITING, SMALL, BULK, WAKE = BASE .. 'waiting', BASE .. 'small', BASE .. 'bulk', BASE .. 'wake:'
local OTHERS = 1e12 -- first place of all but the upserter
local GRACE = TICK + 5000 -- one that has not asked again for so long is dead

local function waiter(id)
    local record = redis.call('HGET', WAITING, id)
    local ok, need, asks_at, since, limited = pcall(cmsgpack.unpack, record or '')
    if ok and is_number(need, 0, MOST) and is_number(asks_at, 0, 1e13) and is_number(since, 0, 1e13) then
        return need, asks_at, since, limited
    end
end

local function dequeue(s, queue, id)
    if redis.call('ZREM', queue, id) == 0 then
        return false
    end
    redis.call('HDEL', WAITING, id)
    redis.call('DEL', WAKE .. id)
    s.queued = s.queued - 1
    return true
end

-- The first live waiter of a queue and its record. The dead are dropped.
local function head(s, queue)
    while s.queued > 0 do
        local id = redis.call('ZRANGE', queue, 0, 0)[1]
        if not id then
            return nil
        end
        local need, asks_at, since, limited = waiter(id)
        if need and asks_at + GRACE > now then
            return id, need, asks_at, limited
        end
        dequeue(s, queue, id)
    end
end

-- Milliseconds until the tick that brings the available tokens to 'need'; 0 when they are there.
local function until_available(s, need)
    if s.available >= need then
        return 0
    elseif s.refill <= 0 then
        return CAPACITY_TICKS * TICK
    end
    return s.next_tick + (math.ceil((need - s.available) / s.refill) - 1) * s.period - now
end

-- Whether the upserter could not have a page for so long that the balance itself is worth a question now and then.
local function is_deep(s)
    return until_available(s, UPSERT_TOKENS) > DEEP
end

-- What the small lane may still spend while bulk waits: what was there when the wait began, and its share of the
-- refill since.
local function allowance(s)
    return s.bulk_burst + SHARE / 100 * s.refill * math.floor((now - s.bulk_since) / s.period) - s.small_spent
end

-- Tokens that go to small requests in the queue before bulk gets any: the upserter's, and others' in their share.
local function promised(s, bulk_waits)
    local first, others = 0, 0
    if s.queued > 0 and head(s, SMALL) then
        local places = redis.call('ZRANGE', SMALL, 0, -1, 'WITHSCORES')
        for i = 1, #places, 2 do
            local need, asks_at, _, limited = waiter(places[i])
            if need and asks_at + GRACE > now and not limited then
                if tonumber(places[i + 1]) < OTHERS then
                    first = first + need
                else
                    others = others + need
                end
            end
        end
    end
    return first + (bulk_waits and math.max(0, math.min(others, allowance(s))) or others)
end

-- Wakes the first of each lane when it can have its tokens sooner than it thinks: at once, or by an earlier tick.
local function wake_heads(s)
    local bulk_waits = head(s, BULK)
    for _, queue in ipairs({ SMALL, BULK }) do
        local id, need, asks_at, limited = head(s, queue)
        local at = id and now + until_available(s, need)
        local forbidden = limited and bulk_waits and allowance(s) < need
        if id and not forbidden and (at <= now or at + 2 * SLACK < asks_at) then
            local key = WAKE .. id
            redis.call('DEL', key)
            redis.call('LPUSH', key, '1')
            redis.call('PEXPIRE', key, 2 * TICK + 10000)
        end
    end
end
