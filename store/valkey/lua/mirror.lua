-- Mirrors a batch of mitras: all keys of each in one step, unless the mirror holds a newer version of it. What stands there is read by one command a
-- key for the whole batch, and only what differs is written, likewise: so a reseed that finds nothing to mend writes nothing.
--
-- KEYS  1 mitras:online   2 mitras:deactivated   3 mitras:available   4 mitras:waiting   5 mitras:sockets   6 mitras:version
--       then of each mitra: mitra:capacity:<id>, mitra:heartbeat:<id>
-- ARGV  1 stale limit, ms   2 grace, ms   3 mend: "1" a seed or reseed, "0" after a transition
--       then of each mitra (none twice): id, version, held, online, active, takes, capacity, available since (Unix ms)
--       held: the version above ours that may be overwritten (a restored database), "0" for none
-- Gives of each mitra four integers: the newer version that the mirror holds (0: written), how many keys and members changed, whether it
-- has a live socket, whether it became available without a heartbeat on record.
local online, deactivated, available, waiting, sockets, versions = unpack(KEYS, 1, 6)
local stale, grace, mend = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local soonest = now + 5000 -- a time above it is no time of ours, however far the clocks are apart

local ids, capacities, heartbeats = {}, {}, {}
for n = 1, (#KEYS - 6) / 2 do
  ids[n], capacities[n], heartbeats[n] = ARGV[n * 8 - 4], KEYS[n * 2 + 5], KEYS[n * 2 + 6]
end

-- As it stands. MGET takes a key of another type for none.
local version_of = redis.call('HMGET', versions, unpack(ids))
local socket_of = redis.call('HMGET', sockets, unpack(ids))
local is_online = redis.call('SMISMEMBER', online, unpack(ids))
local is_deactivated = redis.call('SMISMEMBER', deactivated, unpack(ids))
local capacity_of = redis.call('MGET', unpack(capacities))
local beat_of = redis.call('MGET', unpack(heartbeats))
local score_of = redis.call('ZMSCORE', available, unpack(ids))
local since_of = redis.call('ZMSCORE', waiting, unpack(ids))

-- As it is to be.
local set_online, unset_online = {'SADD', online}, {'SREM', online}
local set_deactivated, unset_deactivated = {'SADD', deactivated}, {'SREM', deactivated}
local set_available, unset_available = {'ZADD', available}, {'ZREM', available}
local set_waiting, unset_waiting = {'ZADD', waiting}, {'ZREM', waiting}
local set_version, set_capacity, delete = {'HSET', versions}, {'MSET'}, {'DEL'}

local function add(command, first, second)
  command[#command + 1] = first
  if second then command[#command + 1] = second end
end

local function run(command, words)
  if #command > words then redis.call(unpack(command)) end
end

-- Puts a mitra into a set or takes it out, and gives how many changed.
local function member(is, wanted, set, unset, id)
  if (is == 1) == wanted then return 0 end
  add(wanted and set or unset, id)
  return 1
end

-- Unix ms of an ISO 8601 UTC time with milliseconds; nil for anything else. Those of one flush are alike.
local parsed = {}
local function millis(text)
  if parsed[text] then return parsed[text] end
  local y, mo, d, h, mi, s, ms = string.match(text, '^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)%.(%d%d%d)Z$')
  if not y then return nil end
  y, mo, d = tonumber(y), tonumber(mo), tonumber(d)
  if mo <= 2 then y = y - 1 end
  local era = math.floor(y / 400)
  local yoe = y - era * 400
  local doy = math.floor((153 * ((mo + 9) % 12) + 2) / 5) + d - 1
  local days = era * 146097 + yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy - 719468
  parsed[text] = (((days * 24 + h) * 60 + mi) * 60 + s) * 1000 + ms
  return parsed[text]
end

-- The last heartbeat, Unix ms, nil when there is none that can be; and how many keys changed: a reseed deletes one that cannot be.
local function heard(n)
  local beat = beat_of[n] and millis(beat_of[n])
  if beat and beat <= soonest then return beat, 0 end
  if not mend then return nil, 0 end
  if not beat_of[n] and redis.call('EXISTS', heartbeats[n]) == 0 then return nil, 0 end
  add(delete, heartbeats[n])
  return nil, 1
end

-- available and waiting of a mitra that can take sessions.
local function offerable(n, id, since, beat, socket)
  local changed, unheard = 0, 0
  local score = tonumber(score_of[n] or nil)
  if not score or score > soonest then
    score = beat or 0
    if not socket then score = math.max(0, score - (stale - grace)) end
    add(set_available, string.format('%.0f', score), id)
    changed, unheard = 1, beat and 0 or 1
  end
  if not socket then
    if since_of[n] then
      add(unset_waiting, id)
      changed = changed + 1
    end
    return changed, unheard
  end
  local lively = beat and now - beat < grace
  if (not mend or lively or since_of[n]) and tonumber(since_of[n] or nil) ~= tonumber(since) then
    add(set_waiting, since, id)
    changed = changed + 1
  end
  return changed, unheard
end

-- The version that the mirror holds; 0 for none and for what is none.
local function held_version(n)
  local text = version_of[n]
  if text and #text <= 15 and string.match(text, '^%d+$') then return tonumber(text) end
  return 0
end

local function mirror(n)
  local a = n * 8 - 4
  local id, version, held = ids[n], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local there, socket = held_version(n), socket_of[n] and true or false
  if there > version and there ~= held then return there, 0, socket, 0 end
  local want_online, active, takes = ARGV[a + 3] == '1', ARGV[a + 4] == '1', ARGV[a + 5] == '1'
  local changed = member(is_online[n], want_online, set_online, unset_online, id) +
    member(is_deactivated[n], not active, set_deactivated, unset_deactivated, id)
  if capacity_of[n] ~= ARGV[a + 6] then
    add(set_capacity, capacities[n], ARGV[a + 6])
    changed = changed + 1
  end
  local beat, mended = heard(n)
  local unheard = 0
  changed = changed + mended
  if takes then
    local more
    more, unheard = offerable(n, id, ARGV[a + 7], beat, socket)
    changed = changed + more
  else
    if score_of[n] then add(unset_available, id) end
    if since_of[n] then add(unset_waiting, id) end
    changed = changed + (score_of[n] and 1 or 0) + (since_of[n] and 1 or 0)
  end
  if not want_online and not mend and beat_of[n] then add(delete, heartbeats[n]) end
  if version_of[n] ~= ARGV[a + 1] then
    add(set_version, id, ARGV[a + 1])
    changed = changed + 1
  end
  return 0, changed, socket, unheard
end

local out = {}
for n = 1, #ids do
  local there, changed, socket, unheard = mirror(n)
  out[#out + 1] = there
  out[#out + 1] = changed
  out[#out + 1] = socket and 1 or 0
  out[#out + 1] = unheard
end
run(set_online, 2)
run(unset_online, 2)
run(set_deactivated, 2)
run(unset_deactivated, 2)
run(set_available, 2)
run(unset_available, 2)
run(set_waiting, 2)
run(unset_waiting, 2)
run(set_version, 2)
run(set_capacity, 1)
run(delete, 1)
return out
