/*
 * trap.S - exceptions caught, code tried, rings changed. Everything a check needs that C cannot say.
 *
 * try_kernel(fn) and try_user(fn) call fn and come back when it returns or traps; the trap's frame is in `trap`.
 */
    .text
    .code32
    .globl stubs, trap, try_esp, try_kernel, try_user, try_frame, user_done, trap_return
    .bss
    .balign 16
trap: .fill 16, 4, 0                /* struct trap in barebox.h */
try_esp: .long 0
try_frame: .long 0
    .text

/* 64 entries of 16 bytes: push error code if the CPU does not, push vector, jump. */
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
    cld
    pushal
    push %ds
    movl $0x10, %eax
    movw %ax, %ds
    movl 36(%esp), %eax             /* vector */
    movl %eax, trap
    movl 40(%esp), %eax             /* error */
    movl %eax, trap + 4
    movl 44(%esp), %eax             /* eip */
    movl %eax, trap + 8
    movl 48(%esp), %eax             /* cs */
    movl %eax, trap + 12
    movl 52(%esp), %eax             /* eflags */
    movl %eax, trap + 16
    movl 56(%esp), %eax             /* esp, if from an outer ring */
    movl %eax, trap + 20
    movl 60(%esp), %eax             /* ss */
    movl %eax, trap + 24
    movl %cr2, %eax
    movl %eax, trap + 28
    movl %esp, trap + 32
    movl 32(%esp), %eax             /* eax at the trap */
    movl %eax, trap + 36
    movw %ds:0(%esp), %ax
    movzwl %ax, %eax
    movl %eax, trap + 40            /* ds at the trap */
    movl %dr6, %eax
    movl %eax, trap + 44
    str %ax
    movzwl %ax, %eax
    movl %eax, trap + 48
trap_return:
    movl $0x10, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %ecx, %ecx
    movw %cx, %fs
    movw %cx, %gs
    movl try_esp, %esp
    popfl
    popal
    movl trap, %eax
    ret

try_kernel:
    pushal
    pushfl
    movl $-1, trap
    movl %esp, try_esp
    movl 40(%esp), %eax
    call *%eax
    movl try_esp, %esp
    popfl
    popal
    movl trap, %eax
    ret

/* At CPL 3 on the user stack; fn's return leads to user_done, which is INT 30h (vector 48). */
try_user:
    pushal
    pushfl
    movl $-1, trap
    movl %esp, try_esp
    movl 40(%esp), %eax
    movl $0x23, %ecx
    movw %cx, %ds
    movw %cx, %es
    movl $0x6fff0, %edx
    movl $user_done, (%edx)
    pushl %ecx
    pushl %edx
    pushfl
    pushl $0x1b
    pushl %eax
    iretl
user_done:
    int $0x30
    .section .note.GNU-stack, "", @progbits
