/*
 * wide.S - the 64-bit part: exceptions caught, code tried at CPL 0 and CPL 3. The same idea as trap.S.
 */
    .section .entry, "ax"
    .code64
    jmp wide_main

    .bss
    .balign 16
    .globl trap
trap: .fill 16, 8, 0                /* struct trap in wide.h */
try_rsp: .quad 0

    .text
    .globl stubs, try_kernel, try_user, user_done
    .balign 16
stubs:
    .set v, 0
    .rept 64
    .balign 16
    .if v == 8 || (v >= 10 && v <= 14) || v == 17
    .else
    push $0
    .endif
    push $v
    jmp common
    .set v, v + 1
    .endr

common:
    popq trap
    popq trap + 8
    movq %rax, trap + 72
    movq %rcx, trap + 80
    movq %rdx, trap + 88
    movq %r11, trap + 96
    movq %rsp, trap + 64
    movq (%rsp), %rax
    movq %rax, trap + 16
    movq 8(%rsp), %rax
    movq %rax, trap + 24
    movq 16(%rsp), %rax
    movq %rax, trap + 32
    movq 24(%rsp), %rax
    movq %rax, trap + 40
    movq 32(%rsp), %rax
    movq %rax, trap + 48
    movq %cr2, %rax
    movq %rax, trap + 56
    movq %dr6, %rax
    movq %rax, trap + 104
    movl $0x10, %eax
    movw %ax, %ss
    movw %ax, %ds
    movw %ax, %es
leave:
    movq try_rsp, %rsp
    popfq
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    movq trap, %rax
    ret

    .macro try_begin
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushfq
    movq %rsp, try_rsp
    movq $-1, trap
    .endm

try_kernel:
    try_begin
    call *%rdi
    jmp leave

/* fn's return leads to user_done. */
try_user:
    try_begin
    movl $0x6f000, %edx
    movq $user_done, (%rdx)
    pushq $0x23
    pushq %rdx
    pushq $2
    pushq $0x33
    pushq %rdi
    iretq
user_done:
    int $0x30
    .section .note.GNU-stack, "", @progbits
