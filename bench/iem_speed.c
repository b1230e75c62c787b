/*
 * iem_speed.c - guest instructions per second on loops set up by hand in long mode and, those named "16", in real mode:
 * of the interpreter, or with ISA_ENGINE=rem of translated code.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "harness.h"

struct loop {
    const char *name;
    const char *code; /* runs until RCX is 0; RSI = data */
    size_t bytes;
    uint64_t count, insns_per_turn;
    enum x86_mode mode;
};

#define LOOP_IN(mode, name, count, insns, code)                                                                        \
    {                                                                                                                  \
        name, code, sizeof(code) - 1, count, insns, mode                                                               \
    }
#define LOOP(...)   LOOP_IN(X86_MODE_64, __VA_ARGS__)
#define LOOP16(...) LOOP_IN(X86_MODE_16, __VA_ARGS__)
static const struct loop loops[] = {
    /* add rax,rbx; xor rdx,rax; lea r8,[rax+rdx*2]; sub r9d,r8d; shl r10,3; and r11,rax; dec rcx; jnz */
    LOOP("alu", 20000000, 8,
         "\x48\x01\xd8\x48\x31\xc2\x4c\x8d\x04\x50\x45\x29\xc1\x49\xc1\xe2\x03\x49\x21\xc3\x48\xff\xc9\x75\xe7"),
    /* mov rax,[rsi]; add rax,rcx; mov [rsi+8],rax; add dword [rsi+16],1; cmp rax,[rsi+24]; dec rcx; jnz */
    LOOP("memory", 20000000, 7,
         "\x48\x8b\x06\x48\x01\xc8\x48\x89\x46\x08\x83\x46\x10\x01\x48\x3b\x46\x18\x48\xff\xc9\x75\xe9"),
    /* call f; dec rcx; jnz; jmp out; f: push rbx; pop rbx; ret */
    LOOP("call", 20000000, 6, "\xe8\x07\x00\x00\x00\x48\xff\xc9\x75\xf6\xeb\x03\x53\x5b\xc3"),
    /* test cl,1; jz +3; inc rax; movzx edx,cl; dec rcx; jnz */
    LOOP("branch", 20000000, 5, "\xf6\xc1\x01\x74\x03\x48\xff\xc0\x0f\xb6\xd1\x48\xff\xc9\x75\xf0"),
    /* push rcx; lea rdi,[rsi+1000h]; mov ecx,512; rep movsq; pop rcx; sub rsi,1000h; dec rcx; jnz */
    LOOP("rep movs", 200000, 8,
         "\x51\x48\x8d\xbe\x00\x10\x00\x00\xb9\x00\x02\x00\x00\xf3\x48\xa5\x59\x48\x81\xee\x00\x10\x00\x00\x48\xff\xc9"
         "\x75\xe3"),
    /* add ax,bx; xor dx,ax; lea di,[bx+si]; sub bp,di; shl ax,3; and bx,ax; dec ecx; jnz */
    LOOP16("16 alu", 10000000, 8, "\x01\xd8\x31\xc2\x8d\x38\x29\xfd\xc1\xe0\x03\x21\xc3\x66\x49\x75\xef"),
    /* mov ax,[si]; add ax,cx; mov [si+8],ax; add word [si+16],1; cmp ax,[si+24]; dec ecx; jnz */
    LOOP16("16 memory", 10000000, 7, "\x8b\x04\x01\xc8\x89\x44\x08\x83\x44\x10\x01\x3b\x44\x18\x66\x49\x75\xee"),
    /* call f; dec ecx; jnz; jmp out; f: push bx; pop bx; ret */
    LOOP16("16 call", 10000000, 6, "\xe8\x06\x00\x66\x49\x75\xf9\xeb\x03\x53\x5b\xc3"),
    /* push ds; pop es; mov di,si; lodsb; scasb; dec si; dec ecx; jnz */
    LOOP16("16 string", 10000000, 8, "\x1e\x07\x89\xf7\xac\xae\x4e\x66\x49\x75\xf5"),
};

/* CPU time, so that a busy machine does not count against us. */
static double cpu_seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void measure(struct isa *t, const struct loop *l)
{
    struct cpum_ctx *x = &t->c->ctx;
    double start, s;

    isa_mode(t, l->mode);
    x->gpr[X86_RCX] = l->count;
    x->gpr[X86_RSI] = t->data;
    isa_load(t, l->code, l->bytes);
    start = cpu_seconds();
    x->rip = t->code;
    if (iem_run(t->c, UINT64_MAX / 2) != IEM_EXIT_HALT || x->gpr[X86_RCX] != 0)
        printf("%-10s did not finish: rip %" PRIx64 "\n", l->name, x->rip);
    s = cpu_seconds() - start;
    printf("%-10s %7.1f million instructions/s\n", l->name, (double)(l->count * l->insns_per_turn) / s / 1e6);
}

int main(void)
{
    struct isa *t = isa_new();

    for (size_t n = 0; n < G_N_ELEMENTS(loops); n++)
        measure(t, &loops[n]);
    isa_free(t);
    return 0;
}
