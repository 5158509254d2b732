-- A page of the waiting mitras, the longest waiting first: those of them whose heartbeat is fresh.
--
-- KEYS  1 mitras:waiting   2 mitras:available   3 mirror:epoch
-- ARGV  1 first rank   2 last rank   3 stale limit, ms
-- Gives how many were looked at, as a string, and then the ids; nil while nothing is seeded.
if redis.call('EXISTS', KEYS[3]) == 0 then return false end
local ids = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2])
local out = {tostring(#ids)}
if #ids == 0 then return out end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local scores = redis.call('ZMSCORE', KEYS[2], unpack(ids))
for i, id in ipairs(ids) do
  local age = scores[i] and now - tonumber(scores[i])
  if age and age < tonumber(ARGV[3]) and age >= -5000 then out[#out + 1] = id end -- nobody beat later than now
end
return out
