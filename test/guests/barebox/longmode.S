/*
 * longmode.S - 64-bit mode: entered from and left to flat 32-bit mode; each check sets a bit of long_results.
 *
 * SDM vol. 3 6.14 (frames, IST), vol. 2 SYSCALL, SYSRET, IRET; 3.3.7.1 of vol. 1 (canonical addresses).
 */
    .bss
    .balign 16
    .globl long_results, long_tss, long_idt, long_is_tcg
long_results: .fill 2, 4, 0
long_vec: .long 0, 0
long_err: .long 0, 0
long_frame: .long 0, 0
long_rsp: .long 0, 0
long_resume: .long 0, 0
long_esp32: .long 0
long_is_tcg: .long 0                /* QEMU's translator would leave long mode here and be lost */
    .balign 16
long_tss: .fill 112, 1, 0
long_idt: .fill 64 * 16, 1, 0

    .text
    .globl long_stubs, long_run
    .code64
    .balign 16
long_stubs:
    .set v, 0
    .rept 64
    .balign 16
    .if v == 8 || (v >= 10 && v <= 14) || v == 17
    .else
    push $0
    .endif
    push $v
    jmp lcommon
    .set v, v + 1
    .endr
lcommon:
    popq long_vec(%rip)
    popq long_err(%rip)
    movl %esp, long_frame(%rip)
    movl %esp, %ebx                 /* frame: rip cs rflags rsp ss */
    movl long_rsp(%rip), %esp
    movl long_resume(%rip), %eax
    jmp *%rax

    .macro good bit
    btsl $\bit, long_results(%rip)
    .endm
    /* \insn at 9: must raise \vec with error \err */
    .macro faults bit, vec, err, insn:vararg
    movl $8f, long_resume(%rip)
    movl $-1, long_vec(%rip)
    movl %esp, long_rsp(%rip)
9:  \insn
8:  cmpl $\vec, long_vec(%rip)
    jne 7f
    cmpl $\err, long_err(%rip)
    jne 7f
    cmpl $9b, (%rbx)
    jne 7f
    good \bit
7:
    .endm

    .code32
long_run:
    pushal
    movl %esp, long_esp32
    ljmp $0x28, $1f
    .code64
1:  movl long_esp32(%rip), %esp
    faults 0, 6, 0, ud2
    movq $0x800000001000, %rcx
    faults 1, 13, 0, movq (%rcx), %rax
    movq %rsp, %rbp
    movq %rcx, %rsp
    movl $8f, long_resume(%rip)           /* by hand: the stack is not usable for the macro */
    movl %ebp, long_rsp(%rip)
    movl $-1, long_vec(%rip)
    pushq %rax
8:  cmpl $12, long_vec(%rip)
    jne 7f
    good 2
7:  movl %ebp, %esp
    /* frame: RSP aligned to 16 before five pushes and an error code; SS and RSP are always there */
    leaq -8(%rsp), %rsp
    movl %esp, %esi
    movl $8f, long_resume(%rip)
    movl %esp, long_rsp(%rip)
    int $0x31
8:  cmpl %esi, 24(%rbx)
    jne 7f
    movl %esi, %eax
    andl $-16, %eax
    subl $40, %eax
    cmpl %eax, %ebx
    jne 7f
    cmpl $0x28, 8(%rbx)
    jne 7f
    good 3
7:  leaq 8(%rsp), %rsp
    /* IST1 */
    movl $8f, long_resume(%rip)
    movl %esp, long_rsp(%rip)
    int $0x32
8:  cmpl $0x7c000 - 40, %ebx
    jne 7f
    good 4
7:
    movl $0x1f8, %eax
    faults 6, 13, 0x1f8, movw %ax, %es
    xorl %eax, %eax
    movw %ax, %ss                   /* null SS is fine at CPL 0 */
    good 7
    movl $0x10, %eax
    movw %ax, %ss
    /* IRETQ within CPL 0 */
    movl %esp, %esi
    pushq $0x10
    pushq %rsi
    pushq $0x40002
    pushq $0x28
    leaq 8f(%rip), %rax
    pushq %rax
    iretq
8:  cmpl %esp, %esi
    jne 7f
    pushfq
    popq %rax
    btl $18, %eax
    jnc 7f
    good 8
7:  pushq $2
    popfq
    /* SYSRET to CPL 3, SYSCALL back. STAR is set by long.c. */
    movl $0xc0000082, %ecx
    movl $syscall_in, %eax
    xorl %edx, %edx
    wrmsr
    movl %esp, long_rsp(%rip)
    movl $user64, %ecx
    movl $0x202, %r11d
    cli
    sysretq
user64:
    movw %cs, %r8w
    movw %ss, %r9w
    std
    syscall
user64_next:
    ud2
syscall_in:
    movl long_rsp(%rip), %esp
    cmpw $0x33, %r8w
    jne 7f
    cmpw $0x2b, %r9w
    jne 7f
    cmpl $user64_next, %ecx
    jne 7f
    btl $10, %r11d                  /* DF was set; SFMASK clears it */
    jnc 7f
    pushfq
    popq %rax
    testl $0x600, %eax              /* IF and DF masked */
    jnz 7f
    movw %cs, %ax
    cmpw $0x28, %ax
    jne 7f
    movw %ss, %ax
    cmpw $0x30, %ax
    jne 7f
    good 9
7:  cld
    movl $0x10, %eax
    movw %ax, %ss
    /* CPL 3 to CPL 0 by INT: RSP0, SS null, old SS:RSP on the frame */
    movl $8f, long_resume(%rip)
    movl %esp, long_rsp(%rip)
    pushq $0x23
    pushq $0x6f000
    pushq $2
    pushq $0x33
    leaq user_int(%rip), %rax
    pushq %rax
    iretq
user_int:
    int $0x33
8:  movw %ss, %ax
    testw %ax, %ax
    jnz 7f
    cmpl $0x7e000 - 40, %ebx
    jne 7f
    cmpl $0x23, 32(%rbx)
    jne 7f
    cmpl $0x6f000, 24(%rbx)
    jne 7f
    good 10
7:  movl $0x10, %eax
    movw %ax, %ss
    /* compatibility mode at CPL 3 and a fault out of it */
    movl $8f, long_resume(%rip)
    movl %esp, long_rsp(%rip)
    movl $-1, long_vec(%rip)
    pushq $0x23
    pushq $0x6f000
    pushq $2
    pushq $0x1b
    leaq compat(%rip), %rax
    pushq %rax
    iretq
    .code32
compat:
    incl %eax                       /* REX in 64-bit mode */
    hlt
    .code64
8:  cmpl $13, long_vec(%rip)
    jne 7f
    cmpl $compat + 1, (%rbx)
    jne 7f
    cmpl $0x1b, 8(%rbx)
    jne 7f
    good 11
7:  movl $0x10, %eax
    movw %ax, %ss
    /* SWAPGS and the base MSRs */
    movl $0xc0000102, %ecx
    movl $0x1234, %eax
    xorl %edx, %edx
    wrmsr
    swapgs
    movl $0xc0000101, %ecx
    rdmsr
    cmpl $0x1234, %eax
    jne 7f
    good 12
7:  movl $0xc0000101, %ecx
    xorl %eax, %eax
    movl $0x8000, %edx
    faults 13, 13, 0, wrmsr
    /* CR0.PG cannot be cleared from 64-bit code, CR4.PAE not in long mode */
    cmpl $0, long_is_tcg(%rip)
    jne long_skip_pg
    movq %cr0, %rax
    btrl $31, %eax
    faults 14, 13, 0, movq %rax, %cr0
    movq %cr4, %rax
    btrl $5, %eax
    faults 15, 13, 0, movq %rax, %cr4
long_skip_pg:
    /* NX page: the second 2 MiB */
    movl $0x200000, %ecx
    movl $8f, long_resume(%rip)
    movl %esp, long_rsp(%rip)
    movl $-1, long_vec(%rip)
    call *%rcx
8:  movl long_rsp(%rip), %esp
    cmpl $14, long_vec(%rip)
    jne 7f
    cmpl $0x11, long_err(%rip)
    jne 7f
    cmpl $0x200000, (%rbx)
    jne 7f
    good 16
7:  movl $0x10, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl long_esp32(%rip), %esp
    pushq $0x08
    leaq 1f(%rip), %rax
    pushq %rax
    lretq
    .code32
1:  popal
    ret
    .section .note.GNU-stack, "", @progbits
