# writer.S - a boot sector that writes to its disk all the time and checks what it wrote, for test/cli/teleport_disks_test.py.
#
# 256 sectors, 32 KiB apart from sector 64 on. It keeps what it last wrote to each in memory; eight times a tick of the
# BIOS clock one at random is read and must be that: (count, number, both and a constant mixed), and is written anew.
# Every tick it says the count, or ERROR and the sector, on COM1, as counter.S does.
        .code16
        .globl _start
        .set TABLE, 0x9000
        .set BUFFER, 0x8000
        .set MIX, 0x5aa5c33c
_start: xor %ax, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %ss
        mov $0x7c00, %sp
        mov $0x3fb, %dx
        mov $3, %al
        out %al, %dx
        sti
        cld
        xor %ax, %ax
        mov $TABLE, %di
        mov $1024, %cx
        rep stosb
tick:   hlt
        mov $8, %cx
again:  push %cx
        incl count
        mov seed, %eax
        imul $1103515245, %eax, %eax
        add $12345, %eax
        mov %eax, seed
        shr $16, %eax
        movzbl %al, %ebx
        mov %bx, number
        shl $6, %ebx
        add $64, %ebx
        mov %ebx, packet + 8
        mov $0x42, %ah
        call sector
        mov number, %bx
        shl $2, %bx
        mov TABLE(%bx), %eax
        test %eax, %eax
        jz write
        cmp %eax, BUFFER
        jne bad
        movzwl number, %edx
        cmp %edx, BUFFER + 4
        jne bad
        xor %edx, %eax
        xor $MIX, %eax
        cmp %eax, BUFFER + 508
        jne bad
write:  mov count, %eax
        mov %eax, TABLE(%bx)
        mov %eax, BUFFER
        movzwl number, %edx
        mov %edx, BUFFER + 4
        xor %edx, %eax
        xor $MIX, %eax
        mov %eax, BUFFER + 508
        mov $0x43, %ah
        call sector
        pop %cx
        dec %cx
        jnz again
        mov count, %edx
        call say
        jmp tick

sector: mov $packet, %si
        mov $0x80, %dl
        xor %al, %al
        int $0x13
        jc bad
        ret

say:    mov $8, %cx
digit:  rol $4, %edx
        mov %dl, %al
        and $15, %al
        add $'0', %al
        cmp $'9', %al
        jbe 1f
        add $'a' - '9' - 1, %al
1:      call put
        loop digit
        mov $'\n', %al
put:    push %dx
        push %ax
        mov $0x3fd, %dx
1:      in %dx, %al
        test $0x20, %al
        jz 1b
        pop %ax
        mov $0x3f8, %dx
        out %al, %dx
        pop %dx
        ret

bad:    mov $error, %si
1:      lodsb
        test %al, %al
        jz 2f
        call put
        jmp 1b
2:      movzwl number, %edx
        call say
3:      hlt
        jmp 3b

error:  .asciz "ERROR "
count:  .long 0
seed:   .long 1
number: .word 0
packet: .byte 16, 0
        .word 1, BUFFER, 0
        .quad 0
        .org 510
        .word 0xaa55
