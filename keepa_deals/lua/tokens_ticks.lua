-- What an answer tells of the ticks. Keepa says 'refillIn' when it has made the answer, 'timestamp' when it began: the
-- next tick that it tells of comes at told = timestamp + processing time + refillIn by its clock. In the recorded
-- answers these moments lie 60.200 s apart, to the millisecond in 40 of 41 pairs (refillin_series.json): ticks come
-- later than after 60 s, always, and sometimes by a second. So their period and their lateness are learned.
local AT_FLOOR = TICK / 100 -- of refillIn: it stops at 522 ms, and the tick may be overdue by then

-- Ticks that came since the last answer, by what Keepa told then and tells now.
local function ticks_since(s)
    return math.floor((told - s.told) / (TICK + s.late) + 0.5)
end

-- Corrects how late ticks are, and by how much they deviate from it, as TCP does for its round trips (RFC 6298):
-- the mean by a sixteenth of each new one, the deviation by an eighth when it grows and a 32nd when it shrinks.
local function learn_ticks(s, ticks)
    local overdue = refill_in <= AT_FLOOR
    if s.exact and ticks >= 1 and ticks <= CAPACITY_TICKS and not overdue then
        local late = (told - s.told) / ticks - TICK
        local off = math.abs(late - s.late)
        if math.abs(late) <= LATEST then -- else a clock was set, or Keepa began anew
            s.late = s.late + (late - s.late) * math.min(0.5, ticks / 16)
            s.dev = ticks > 1 and s.dev or s.dev + (off - s.dev) / (off > s.dev and 8 or 32)
        end
    elseif s.exact and ticks == 0 and overdue then
        s.dev = math.max(s.dev, (math.min(LATEST, told - refill_in - s.told) - s.late) / 4)
    end
    if ticks ~= 0 or not overdue then -- of an overdue tick the older word is the better one
        s.told, s.exact = told, not overdue
    end
end

-- Tokens that are missing though we did not spend them. A tick counts when it had surely come by Keepa's clock.
local function spent_by_others(s, ticks)
    if s.rate ~= rate then
        return 0
    end
    local sure = 1 + math.floor((told - refill_in - LATEST - s.told) / s.period)
    local there = math.min(s.total, s.left + math.max(0, math.min(ticks, sure)) * s.refill)
    return math.max(0, there - consumed - s.reserved - s.forgiven - left)
end

-- Whether Keepa refuses because a tick comes later than we thought: it is all that is missing, and would have been enough.
local function is_refused_at_tick(s)
    local missing, near = s.total - s.reserved - left, refill_in <= LATEST or refill_in >= TICK - LATEST
    return refused and near and left + s.refill > 0 and missing <= s.refill
end
