/*
 * boot.S - boot sector and entry of barebox, the bare-metal test guest.
 *
 * The sector loads the payload behind it to 1000:0000 by INT 13h (AH=42h) and jumps there. The payload starts in real
 * mode, goes to flat 32-bit protected mode and calls main(). Whoever has no BIOS puts the payload (the image without
 * its first sector) at 10000h and starts it at 1000:0000 in real mode.
 */
    .section .boot, "ax"
    .code16
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7c00, %sp
    sti
    movw $3, %bp                    /* three times 64 sectors */
1:  movw $dap, %si
    movb $0x42, %ah
    int $0x13
    addw $0x800, dap + 6
    addw $64, dap + 8
    decw %bp
    jnz 1b
    cli
    ljmp $0x1000, $0
dap: .byte 16, 0
    .word 64, 0, 0x1000
    .quad 1
    .org 510
    .word 0xaa55

    .section .entry, "ax"
    .globl entry
entry:
    movw $0x1000, %ax
    movw %ax, %ds
    movw $0x7000, %ax
    movw %ax, %ss
    movw $0xfff0, %sp
    calll real_checks
    cli
    lgdtl %cs:gdtr - entry
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $0x08, $pm32
    .code32
pm32:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movl $0x7fff0, %esp
    pushl $2
    popfl
    call main
    /* power off: QEMU's debug exit, PIIX4 PM at 600h and 4000h; else stop */
    movw $0x501, %dx
    movb $0, %al
    outb %al, %dx
    movw $0x604, %dx
    movw $0x2000, %ax
    outw %ax, %dx
    movw $0x4004, %dx
    outw %ax, %dx
    cli
1:  hlt
    jmp 1b

/* ---- real mode checks: results are flags in real_results, reported by main ---- */
    .code16
    .globl real_results
real_results: .long 0
real_vector: .word 0
real_ip: .word 0
real_old: .long 0

real_trap_gp:
    movw $13, %cs:real_vector - entry
    jmp real_trap
real_trap_de:
    movw $0, %cs:real_vector - entry
    jmp real_trap
real_trap_ss:
    movw $12, %cs:real_vector - entry
    jmp real_trap
real_trap_ud:
    movw $6, %cs:real_vector - entry
real_trap:
    popw %cs:real_ip - entry
    addw $4, %sp
    jmp *%cs:real_resume - entry
real_resume: .word 0

    .macro hook vec, handler
    movw $\handler - entry, %es:4 * \vec
    movw $0x1000, %es:4 * \vec + 2
    .endm
    .macro save vec
    pushl %es:4 * \vec
    .endm
    .macro restore vec
    popl %es:4 * \vec
    .endm
    /* expects vector \vec at 99: and sets bit \bit */
    .macro faults bit, vec, insn:vararg
    movw $8f - entry, %cs:real_resume - entry
    movw $0xffff, %cs:real_vector - entry
9:  \insn
8:  cmpw $\vec, %cs:real_vector - entry
    jne 7f
    cmpw $9b - entry, %cs:real_ip - entry
    jne 7f
    orl $1 << \bit, %cs:real_results - entry
7:
    .endm

    .globl real_checks
real_checks:
    xorw %ax, %ax
    movw %ax, %es
    save 0
    save 6
    save 12
    save 13
    hook 0, real_trap_de
    hook 6, real_trap_ud
    hook 12, real_trap_ss
    hook 13, real_trap_gp
    xorw %cx, %cx
    movw $0xffff, %bx
    faults 0, 0, divw %cx
    faults 1, 13, movw (%bx), %ax
    faults 2, 6, ud2
    faults 3, 6, ltr %cx
    movw $0xffff, %bp
    faults 4, 12, movw (%bp), %ax
    /* big real mode: a limit loaded in protected mode survives */
    cli
    lgdtl %cs:gdtr - entry
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    jmp 1f
1:  movw $0x10, %bx
    movw %bx, %fs
    andb $0xfe, %al
    movl %eax, %cr0
    ljmp $0x1000, $2f - entry
2:  xorw %ax, %ax
    movw %ax, %fs
    movl $0x00010000, %ebx
    movw $13, %cs:real_vector - entry
    movw $5f - entry, %cs:real_resume - entry
    movw %fs:(%ebx), %ax
    cmpw %cs:0, %ax
    jne 5f
    orl $1 << 5, %cs:real_results - entry
5:  /* PUSHF/INT/IRET keep flags; INT clears IF and TF */
    restore 13
    restore 12
    restore 6
    restore 0
    retl

    /* still the same section: reached by 16-bit offsets */
    .globl gdt, gdtr
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff        /* 08 code 32 */
    .quad 0x00cf93000000ffff        /* 10 data 32 */
    .quad 0x00cffb000000ffff        /* 18 code 32 DPL 3 */
    .quad 0x00cff3000000ffff        /* 20 data 32 DPL 3 */
    .quad 0x00af9b000000ffff        /* 28 code 64 */
    .quad 0x00affb000000ffff        /* 30 code 64 DPL 3 (after 20: SYSRET's order) */
    .fill 57, 8, 0                  /* 38.. made by the checks */
gdtr:
    .word 64 * 8 - 1
    .long gdt
    .section .note.GNU-stack, "", @progbits
