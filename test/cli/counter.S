# counter.S - a boot sector that counts ticks of the BIOS clock, for test/cli/teleport_test.py.
#
# Every tick it writes the count to one of 128 pages, looks whether the pages of the tick before and of 100 ticks ago
# hold what they should, writes the count to sector 2 of the disk and reads it back, and says the count, or ERROR and where, on COM1.
        .code16
        .globl _start
_start: xor %ax, %ax
        mov %ax, %ds
        mov %ax, %ss
        mov $0x7c00, %sp
        mov $0x3fb, %dx
        mov $3, %al
        out %al, %dx
        sti
        cld
tick:   hlt
        incl count
        mov count, %eax
        call page
        mov %eax, %es:0
        mov count, %eax
        dec %eax
        jz say
        call check
        mov count, %eax
        sub $100, %eax
        jbe disk
        call check
disk:   mov count, %eax
        push %ds
        pop %es
        mov %eax, 0x8000
        mov $0x0301, %ax
        call sector
        movl $0, 0x8000
        mov $0x0201, %ax
        call sector
        mov count, %eax
        cmp %eax, 0x8000
        jne bad_disk
say:    mov count, %edx
        mov $8, %cx
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
        call put
        jmp tick

# es = the page of count eax
page:   push %ax
        and $127, %ax
        shl $8, %ax
        add $0x1000, %ax
        mov %ax, %es
        pop %ax
        ret

check:  call page
        cmp %eax, %es:0
        jne bad
        ret

sector: mov $0x8000, %bx
        mov $2, %cx
        mov $0x0080, %dx
        int $0x13
        jc bad_disk
        ret

bad_disk:
        mov $disk_error, %si
        jmp 1f
bad:    mov $memory_error, %si
1:      lodsb
        test %al, %al
        jz 2f
        call put
        jmp 1b
2:      hlt
        jmp 2b

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

memory_error:
        .asciz "ERROR memory\n"
disk_error:
        .asciz "ERROR disk\n"
count:  .long 0
        .org 510
        .word 0xaa55
