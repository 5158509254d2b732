-- Mirrors a batch of mitras: all keys of each in one step, unless the mirror holds a newer version of it.
--
-- KEYS  1 mitras:online   2 mitras:deactivated   3 mitras:available   4 mitras:waiting   5 mitras:sockets   6 mitras:version
--       then of each mitra: mitra:capacity:<id>, mitra:heartbeat:<id>
-- ARGV  1 stale limit, ms   2 grace, ms   3 mend: "1" a seed or reseed, "0" after a transition
--       then of each mitra: id, version, held, online, active, takes, capacity, available since (Unix ms)
--       held: the version above ours that may be overwritten (a restored database), "0" for none
-- Gives of each mitra four integers: the newer version that the mirror holds (0: written), how many members changed, whether it
-- has a live socket, whether it became available without a heartbeat on record.
local online, deactivated, available, waiting, sockets, versions = unpack(KEYS, 1, 6)
local stale, grace, mend = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Unix ms of an ISO 8601 UTC time with milliseconds; nil for anything else.
local function millis(text)
  local y, mo, d, h, mi, s, ms = string.match(text, '^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)%.(%d%d%d)Z$')
  if not y then return nil end
  y, mo, d = tonumber(y), tonumber(mo), tonumber(d)
  if mo <= 2 then y = y - 1 end
  local era = math.floor(y / 400)
  local yoe = y - era * 400
  local doy = math.floor((153 * ((mo + 9) % 12) + 2) / 5) + d - 1
  local days = era * 146097 + yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy - 719468
  return (((days * 24 + h) * 60 + mi) * 60 + s) * 1000 + ms
end

-- The last heartbeat, Unix ms; nil when there is none that can be read.
local function heard(key)
  local text = redis.pcall('GET', key)
  if type(text) ~= 'string' then return nil end
  return millis(text)
end

-- Puts or keeps a mitra in a set, or takes it out.
local function member(set, id, yes)
  return redis.call(yes and 'SADD' or 'SREM', set, id)
end

-- available and waiting of a mitra that can take sessions.
local function offerable(id, since, beat, socket)
  local changed, unheard = 0, 0
  if not redis.call('ZSCORE', available, id) then
    local score = beat or 0
    if not socket then score = math.max(0, score - (stale - grace)) end
    redis.call('ZADD', available, string.format('%.0f', score), id)
    changed = 1
    if not beat then unheard = 1 end
  end
  if not socket then
    return changed + redis.call('ZREM', waiting, id), unheard
  end
  local lively = beat and now - beat < grace
  if not mend or lively or redis.call('ZSCORE', waiting, id) then
    changed = changed + redis.call('ZADD', waiting, 'CH', since, id)
  end
  return changed, unheard
end

local function mirror(n)
  local a, k = 3 + (n - 1) * 8, 6 + (n - 1) * 2
  local id, version, held = ARGV[a + 1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  local there = tonumber(redis.call('HGET', versions, id) or '0') or 0
  local socket = redis.call('HEXISTS', sockets, id) == 1
  if there > version and there ~= held then
    return there, 0, socket, 0
  end
  local is_online, active, takes = ARGV[a + 4] == '1', ARGV[a + 5] == '1', ARGV[a + 6] == '1'
  local changed, unheard = member(online, id, is_online) + member(deactivated, id, not active), 0
  if redis.pcall('GET', KEYS[k + 1]) ~= ARGV[a + 7] then
    redis.call('SET', KEYS[k + 1], ARGV[a + 7])
    changed = changed + 1
  end
  if takes then
    local more
    more, unheard = offerable(id, ARGV[a + 8], heard(KEYS[k + 2]), socket)
    changed = changed + more
  else
    changed = changed + redis.call('ZREM', available, id) + redis.call('ZREM', waiting, id)
  end
  if not is_online and not mend then redis.call('DEL', KEYS[k + 2]) end
  if there ~= version then redis.call('HSET', versions, id, ARGV[a + 2]) end
  return 0, changed, socket, unheard
end

-- A key of a wrong type would fail every write: a reseed takes such keys away.
if mend then
  local types = {'set', 'set', 'zset', 'zset', 'hash', 'hash'}
  for i, want in ipairs(types) do
    local is = redis.call('TYPE', KEYS[i]).ok
    if is ~= 'none' and is ~= want then redis.call('DEL', KEYS[i]) end
  end
end

local out = {}
for n = 1, (#KEYS - 6) / 2 do
  local there, changed, socket, unheard = mirror(n)
  out[#out + 1] = there
  out[#out + 1] = changed
  out[#out + 1] = socket and 1 or 0
  out[#out + 1] = unheard
end
return out
