#!/usr/bin/env python3
"""source.py [LINES] - prints a C program of about that many lines (2,000), always the same one: loops, switches, structures,
floating point, recursion and calls, so that a compiler has something to do. The program prints a checksum of what it computes."""
import random
import sys

HEAD = """#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct cell {
    uint32_t key;
    int16_t  weight;
    double   value;
    char     name[12];
};

static uint32_t    table[256];
static struct cell cells[64];

static uint32_t mix(uint32_t h, uint32_t v)
{
    h ^= v;
    h *= 16777619u;
    return h ^ (h >> 13);
}
"""

KINDS = {
    "loop": """
static uint32_t f{n}(uint32_t a, uint32_t b)
{{
    uint32_t h = {c1}u;

    for (uint32_t i = 0; i < {small}; i++) {{
        h = mix(h, a * {c2}u + (b >> (i & 15)));
        if ((h & {mask}) == {bit})
            a += i * {c3}u;
        else
            b ^= table[(h >> 8) & 255];
        table[(a ^ i) & 255] += h {op} b;
    }}
    return h ^ {callee};
}}
""",
    "switch": """
static uint32_t f{n}(uint32_t a, uint32_t b)
{{
    uint32_t h = a;

    for (int i = 0; i < {small}; i++) {{
        switch ((h + b) % 7) {{
        case 0: h += {c1}u; break;
        case 1: h = (h << {shift}) | (h >> (32 - {shift})); break;
        case 2: b -= h / {odd}; /* fall through */
        case 3: h ^= b % {odd}; break;
        case 4: h = mix(h, {c2}u); break;
        case 5: b = ~b; break;
        default: h -= table[b & 255]; break;
        }}
    }}
    return mix(h, {callee});
}}
""",
    "cells": """
static uint32_t f{n}(uint32_t a, uint32_t b)
{{
    struct cell *best = &cells[a % 64];

    for (unsigned i = 0; i < 64; i++) {{
        struct cell *c = &cells[(i * {odd} + b) % 64];

        c->key = mix(c->key, a + i);
        c->weight = (int16_t)(c->weight * 3 - (int16_t)(c->key >> 16));
        c->value = c->value * 0.5 + (double)c->weight / {odd}.0;
        c->name[i % 11] = (char)('a' + c->key % 26);
        if (c->value > best->value && c->weight {op2} {c4})
            best = c;
    }}
    return mix(best->key, (uint32_t)strlen(best->name)) + {callee};
}}
""",
    "recursion": """
static uint32_t f{n}(uint32_t a, uint32_t b)
{{
    if (a % {odd} < 3 || b == 0)
        return {callee};
    return mix(f{n}(a / 3 + 1, b - 1), f{n}(a / 7, b / 2)) {op} a;
}}
""",
    "matrix": """
static uint32_t f{n}(uint32_t a, uint32_t b)
{{
    double m[4][4], sum = 0;

    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            m[i][j] = (double)((a >> (i + j)) & 255) - (double)((b >> (i * j)) & 127) * 0.25;
    for (int k = 0; k < {small} % 9; k++)
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                m[i][j] = (m[j][i] + m[i][(j + k) & 3] * {odd}.0) / 16.0;
    for (int i = 0; i < 4; i++)
        sum += m[i][3 - i] * m[i][i];
    return mix((uint32_t)(int64_t)(sum * 8.0), {callee});
}}
""",
}


def function(rng, n):
    kind = rng.choice(sorted(KINDS))
    callee = f"f{rng.randrange(max(0, n - 12), n)}(b, a % 5)" if n and rng.random() < 0.25 else "(a + b)"
    words = {f"c{i}": rng.randrange(1, 1 << 31) for i in (1, 2, 3)}
    return KINDS[kind].format(n=n, callee=callee, c4=rng.randrange(-500, 500), small=rng.randrange(3, 40), mask=rng.choice((1, 3, 5, 7)),
                              bit=rng.choice((0, 1)), shift=rng.randrange(1, 31), odd=rng.randrange(3, 99, 2), op=rng.choice("+-^|&*"),
                              op2=rng.choice(("<", ">", "!=")), **words)


def program(lines):
    rng = random.Random(2000)
    text, n = HEAD, 0
    while text.count("\n") + n < lines - 14:
        text += function(rng, n)
        n += 1
    text += "\nint main(void)\n{\n    uint32_t h = 2166136261u;\n\n    for (uint32_t round = 0; round < 40; round++) {\n"
    text += "".join(f"        h = mix(h, f{i}(h & 1023, round % 6 + {i % 5}));\n" for i in range(n))
    return text + '    }\n    printf("%08x\\n", h);\n    return 0;\n}\n'


sys.stdout.write(program(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
