/*
 * code.c - self-modifying code: the next instruction, the same page, a loop's own body.
 */
#include "barebox.h"

static u32 (*const field)(void) = (u32(*)(void))0x60000;

static u32 patch_next(void)
{
    u32 v;

    __asm__ volatile("movl $0x22222222, 1f+1; jmp 2f; 2: 1: mov $0x11111111, %0" : "=a"(v) : : "memory");
    return v;
}

static u32 patch_straight(void)
{
    u32 v;

    __asm__ volatile("movl $0x44444444, 1f+1; 1: mov $0x33333333, %0" : "=a"(v) : : "memory");
    return v;
}

static u32 patch_loop(void)
{
    u32 sum = 0, n = 5;

    __asm__ volatile("1: 2: add $1, %0; incb 2b+2; dec %1; jnz 1b; subb $5, 2b+2" : "+r"(sum), "+r"(n) : : "memory");
    return sum;
}

void check_code(void)
{
    u8 *p = (u8 *)0x60000;
    u32 sum = 0;

    for (u32 n = 0; n < 100; n++) {
        p[0] = 0xb8; /* mov eax, n; ret */
        *(u32 *)(p + 1) = n;
        p[5] = 0xc3;
        sum += field();
    }
    is("rewritten function", sum, 4950);
    is("patched behind a jump", patch_next(), 0x22222222);
    is("patched straight ahead", patch_straight(), 0x44444444);
    is("loop that patches itself", patch_loop(), 15);
}
