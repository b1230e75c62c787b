-- jit.lua - work for LuaJIT's compiler: traces, side exits, strings, tables, coroutines, foreign functions, code made at run
-- time. Prints checksums.
local bit, ffi = require("bit"), require("ffi")

local function mix(h, v)
    h = bit.bxor(h, v)
    h = bit.tobit(h * 31)
    return bit.bxor(h, bit.rshift(h, 13))
end

local function integers()
    local h = 1
    for i = 1, 1.5e8 do h = mix(h, i) end
    return h
end

local function branches() -- side traces
    local h, a = 1, {}
    for i = 1, 1000 do a[i] = i * 7919 % 1009 end
    for round = 1, 6000 do
        for i = 1, 1000 do
            local v = a[i]
            if v % 3 == 0 then h = mix(h, v) elseif v % 5 == 0 then a[i] = v + 1 elseif v > 500 then h = h - v % 7 else a[i] = v + round % 11 end
        end
    end
    return h % 4294967296
end

local function made()
    local h = 1
    for n = 1, 600 do
        local f = assert(loadstring("local a, b = ... local s = " .. n .. " for i = 1, 2000 do s = (s * " .. n .. " + a + i % b) % 1000003 end return s"))
        h = f(h, n)
    end
    return h
end

local function foreign()
    ffi.cdef("typedef struct { int32_t key; double value; uint8_t bytes[8]; } item;")
    local items, sum = ffi.new("item[?]", 1000), 0
    for round = 1, 400 do
        for i = 0, 999 do
            local it = items[i]
            it.key = it.key * 3 + i
            it.value = it.value * 0.5 + it.key % 1000
            it.bytes[round % 8] = bit.band(it.key, 255)
            sum = sum + it.bytes[i % 8]
        end
    end
    for i = 0, 999 do sum = sum + items[i].value end
    return string.format("%.6f", sum)
end

local function strings()
    local count, parts = {}, {}
    for i = 1, 200000 do
        local s = ("k%d"):format(i * 31 % 977)
        count[s] = (count[s] or 0) + #s
    end
    for k, v in pairs(count) do parts[#parts + 1] = k .. v end
    table.sort(parts)
    local text, h = table.concat(parts), 0
    for i = 1, #text do h = mix(h, text:byte(i)) end
    return h
end

local function coroutines()
    local function tree(n) if n > 0 then tree(n - 1) coroutine.yield(n) tree(n - 1) end end
    local h = 0
    for n in coroutine.wrap(function() tree(18) end) do h = mix(h, n) end
    return h
end

for _, part in ipairs({ { "integers", integers }, { "branches", branches }, { "made", made }, { "foreign", foreign }, { "strings", strings }, { "coroutines", coroutines } }) do
    print(("luajit %s %s"):format(part[1], part[2]()))
end
