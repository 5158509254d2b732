-- Enters live sockets; one with a lower epoch than what stands there changes nothing.
--
-- KEYS  1 mitras:sockets
-- ARGV  1 the instance that holds them, then of each socket: mitra id, epoch
-- Gives which of them were not there as they are now, counted from 1.
local ids = {}
for i = 2, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
local standing = redis.call('HMGET', KEYS[1], unpack(ids))
local set, entered = {'HSET', KEYS[1]}, {}
for n, id in ipairs(ids) do
  local epoch = ARGV[n * 2 + 1]
  local value, digits = epoch .. ' ' .. ARGV[1], string.match(standing[n] or '', '^(%d+) ')
  local there = digits and #digits <= 15 and tonumber(digits) or 0
  if there <= tonumber(epoch) and standing[n] ~= value then
    set[#set + 1] = id
    set[#set + 1] = value
    entered[#entered + 1] = n
  end
end
if #entered > 0 then redis.call(unpack(set)) end
return entered
