/*
 * wide_blob.S - the linked 64-bit part as data of the payload, and the way into it.
 */
    .section .rodata
    .globl wide_image, wide_image_end
wide_image: .incbin "wide.bin"
wide_image_end:

    .bss
wide_esp: .long 0

    .text
    .code32
    .globl wide_run
/* void wide_run(struct wide_tables *): in long mode with a flat 32-bit code segment; returns there. */
wide_run:
    pushal
    movl 36(%esp), %edi
    movl %esp, wide_esp
    ljmp $0x28, $1f
    .code64
1:  movl wide_esp(%rip), %esp
    andl $-16, %esp
    movl %edi, %edi
    movl $0x30000, %eax
    call *%rax
    movl $0x10, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl wide_esp(%rip), %esp
    pushq $0x08
    leaq 1f(%rip), %rax
    pushq %rax
    lretq
    .code32
1:  popal
    ret
    .section .note.GNU-stack, "", @progbits
