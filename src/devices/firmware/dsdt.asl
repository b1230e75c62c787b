/*
 * dsdt.asl - what ACPI cannot find out by itself: the PCI bus, its interrupt routing, ISA devices, sleep states.
 *
 * Sources: ACPI specification 2.0c; Intel 82371SB (PIIX3) data sheet 2.2.10 (PIRQ routing 60h-63h); 82371AB (PIIX4) data
 * sheet 3.5 (sleep type 0 is soft off). Power and sleep buttons are fixed features and need nothing here.
 * Values C0DExxxx are patched by acpi_tables.c: CPUs, top of low RAM, presence of optional devices (bits 0-3 COM1-4,
 * 4-5 LPT1-2, 6 floppy controller, 7 HPET).
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "VBOX  ", "VBOXBIOS", 2)
{
    Name (CPUN, 0xC0DE0001)
    Name (MEMT, 0xC0DE0002)
    Name (PRES, 0xC0DE0003)

    Name (\_S0, Package () { 0x05, 0x05, 0, 0 })
    Name (\_S5, Package () { 0x00, 0x00, 0, 0 })

    /* Present and working (0Fh) when bit Arg0 of PRES is set. */
    Method (STAP, 1, NotSerialized)
    {
        If (PRES & (1 << Arg0)) { Return (0x0F) }
        Return (0)
    }

    Scope (\_SB)
    {
        Processor (C000, 0, 0, 0) { Method (_STA) { If (CPUN > 0) { Return (0x0F) } Return (0) } }
        Processor (C001, 1, 0, 0) { Method (_STA) { If (CPUN > 1) { Return (0x0F) } Return (0) } }
        Processor (C002, 2, 0, 0) { Method (_STA) { If (CPUN > 2) { Return (0x0F) } Return (0) } }
        Processor (C003, 3, 0, 0) { Method (_STA) { If (CPUN > 3) { Return (0x0F) } Return (0) } }
        Processor (C004, 4, 0, 0) { Method (_STA) { If (CPUN > 4) { Return (0x0F) } Return (0) } }
        Processor (C005, 5, 0, 0) { Method (_STA) { If (CPUN > 5) { Return (0x0F) } Return (0) } }
        Processor (C006, 6, 0, 0) { Method (_STA) { If (CPUN > 6) { Return (0x0F) } Return (0) } }
        Processor (C007, 7, 0, 0) { Method (_STA) { If (CPUN > 7) { Return (0x0F) } Return (0) } }
        Processor (C008, 8, 0, 0) { Method (_STA) { If (CPUN > 8) { Return (0x0F) } Return (0) } }
        Processor (C009, 9, 0, 0) { Method (_STA) { If (CPUN > 9) { Return (0x0F) } Return (0) } }
        Processor (C00A, 10, 0, 0) { Method (_STA) { If (CPUN > 10) { Return (0x0F) } Return (0) } }
        Processor (C00B, 11, 0, 0) { Method (_STA) { If (CPUN > 11) { Return (0x0F) } Return (0) } }
        Processor (C00C, 12, 0, 0) { Method (_STA) { If (CPUN > 12) { Return (0x0F) } Return (0) } }
        Processor (C00D, 13, 0, 0) { Method (_STA) { If (CPUN > 13) { Return (0x0F) } Return (0) } }
        Processor (C00E, 14, 0, 0) { Method (_STA) { If (CPUN > 14) { Return (0x0F) } Return (0) } }
        Processor (C00F, 15, 0, 0) { Method (_STA) { If (CPUN > 15) { Return (0x0F) } Return (0) } }
        Processor (C010, 16, 0, 0) { Method (_STA) { If (CPUN > 16) { Return (0x0F) } Return (0) } }
        Processor (C011, 17, 0, 0) { Method (_STA) { If (CPUN > 17) { Return (0x0F) } Return (0) } }
        Processor (C012, 18, 0, 0) { Method (_STA) { If (CPUN > 18) { Return (0x0F) } Return (0) } }
        Processor (C013, 19, 0, 0) { Method (_STA) { If (CPUN > 19) { Return (0x0F) } Return (0) } }
        Processor (C014, 20, 0, 0) { Method (_STA) { If (CPUN > 20) { Return (0x0F) } Return (0) } }
        Processor (C015, 21, 0, 0) { Method (_STA) { If (CPUN > 21) { Return (0x0F) } Return (0) } }
        Processor (C016, 22, 0, 0) { Method (_STA) { If (CPUN > 22) { Return (0x0F) } Return (0) } }
        Processor (C017, 23, 0, 0) { Method (_STA) { If (CPUN > 23) { Return (0x0F) } Return (0) } }
        Processor (C018, 24, 0, 0) { Method (_STA) { If (CPUN > 24) { Return (0x0F) } Return (0) } }
        Processor (C019, 25, 0, 0) { Method (_STA) { If (CPUN > 25) { Return (0x0F) } Return (0) } }
        Processor (C01A, 26, 0, 0) { Method (_STA) { If (CPUN > 26) { Return (0x0F) } Return (0) } }
        Processor (C01B, 27, 0, 0) { Method (_STA) { If (CPUN > 27) { Return (0x0F) } Return (0) } }
        Processor (C01C, 28, 0, 0) { Method (_STA) { If (CPUN > 28) { Return (0x0F) } Return (0) } }
        Processor (C01D, 29, 0, 0) { Method (_STA) { If (CPUN > 29) { Return (0x0F) } Return (0) } }
        Processor (C01E, 30, 0, 0) { Method (_STA) { If (CPUN > 30) { Return (0x0F) } Return (0) } }
        Processor (C01F, 31, 0, 0) { Method (_STA) { If (CPUN > 31) { Return (0x0F) } Return (0) } }

        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_BBN, 0)
            Name (_UID, 0)

            Name (CRES, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0xFF, 0, 0x100)
                IO (Decode16, 0x0CF8, 0x0CF8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0, 0x0CF7, 0, 0x0CF8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0x0D00, 0xFFFF, 0, 0xF300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
                    0, 0x000A0000, 0x000BFFFF, 0, 0x00020000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0, 0xE0000000, 0xFEBFFFFF, 0, 0x1EC00000, , , PMEM)
            })
            Method (_CRS, 0, Serialized)
            {
                CreateDWordField (CRES, ^PMEM._MIN, PMIN)
                CreateDWordField (CRES, ^PMEM._LEN, PLEN)
                PMIN = MEMT
                PLEN = 0xFEC00000 - MEMT
                Return (CRES)
            }

            /* Slot s, pin p (0 = INTA#) reaches PIRQ (s + p - 1) mod 4; PIIX wiring. Slots 1-1Dh. */
            Name (_PRT, Package ()
            {
                Package () { 0x0001FFFF, 0, LNKA, 0 },
                Package () { 0x0001FFFF, 1, LNKB, 0 },
                Package () { 0x0001FFFF, 2, LNKC, 0 },
                Package () { 0x0001FFFF, 3, LNKD, 0 },
                Package () { 0x0002FFFF, 0, LNKB, 0 },
                Package () { 0x0002FFFF, 1, LNKC, 0 },
                Package () { 0x0002FFFF, 2, LNKD, 0 },
                Package () { 0x0002FFFF, 3, LNKA, 0 },
                Package () { 0x0003FFFF, 0, LNKC, 0 },
                Package () { 0x0003FFFF, 1, LNKD, 0 },
                Package () { 0x0003FFFF, 2, LNKA, 0 },
                Package () { 0x0003FFFF, 3, LNKB, 0 },
                Package () { 0x0004FFFF, 0, LNKD, 0 },
                Package () { 0x0004FFFF, 1, LNKA, 0 },
                Package () { 0x0004FFFF, 2, LNKB, 0 },
                Package () { 0x0004FFFF, 3, LNKC, 0 },
                Package () { 0x0005FFFF, 0, LNKA, 0 },
                Package () { 0x0005FFFF, 1, LNKB, 0 },
                Package () { 0x0005FFFF, 2, LNKC, 0 },
                Package () { 0x0005FFFF, 3, LNKD, 0 },
                Package () { 0x0006FFFF, 0, LNKB, 0 },
                Package () { 0x0006FFFF, 1, LNKC, 0 },
                Package () { 0x0006FFFF, 2, LNKD, 0 },
                Package () { 0x0006FFFF, 3, LNKA, 0 },
                Package () { 0x0007FFFF, 0, LNKC, 0 },
                Package () { 0x0007FFFF, 1, LNKD, 0 },
                Package () { 0x0007FFFF, 2, LNKA, 0 },
                Package () { 0x0007FFFF, 3, LNKB, 0 },
                Package () { 0x0008FFFF, 0, LNKD, 0 },
                Package () { 0x0008FFFF, 1, LNKA, 0 },
                Package () { 0x0008FFFF, 2, LNKB, 0 },
                Package () { 0x0008FFFF, 3, LNKC, 0 },
                Package () { 0x0009FFFF, 0, LNKA, 0 },
                Package () { 0x0009FFFF, 1, LNKB, 0 },
                Package () { 0x0009FFFF, 2, LNKC, 0 },
                Package () { 0x0009FFFF, 3, LNKD, 0 },
                Package () { 0x000AFFFF, 0, LNKB, 0 },
                Package () { 0x000AFFFF, 1, LNKC, 0 },
                Package () { 0x000AFFFF, 2, LNKD, 0 },
                Package () { 0x000AFFFF, 3, LNKA, 0 },
                Package () { 0x000BFFFF, 0, LNKC, 0 },
                Package () { 0x000BFFFF, 1, LNKD, 0 },
                Package () { 0x000BFFFF, 2, LNKA, 0 },
                Package () { 0x000BFFFF, 3, LNKB, 0 },
                Package () { 0x000CFFFF, 0, LNKD, 0 },
                Package () { 0x000CFFFF, 1, LNKA, 0 },
                Package () { 0x000CFFFF, 2, LNKB, 0 },
                Package () { 0x000CFFFF, 3, LNKC, 0 },
                Package () { 0x000DFFFF, 0, LNKA, 0 },
                Package () { 0x000DFFFF, 1, LNKB, 0 },
                Package () { 0x000DFFFF, 2, LNKC, 0 },
                Package () { 0x000DFFFF, 3, LNKD, 0 },
                Package () { 0x000EFFFF, 0, LNKB, 0 },
                Package () { 0x000EFFFF, 1, LNKC, 0 },
                Package () { 0x000EFFFF, 2, LNKD, 0 },
                Package () { 0x000EFFFF, 3, LNKA, 0 },
                Package () { 0x000FFFFF, 0, LNKC, 0 },
                Package () { 0x000FFFFF, 1, LNKD, 0 },
                Package () { 0x000FFFFF, 2, LNKA, 0 },
                Package () { 0x000FFFFF, 3, LNKB, 0 },
                Package () { 0x0010FFFF, 0, LNKD, 0 },
                Package () { 0x0010FFFF, 1, LNKA, 0 },
                Package () { 0x0010FFFF, 2, LNKB, 0 },
                Package () { 0x0010FFFF, 3, LNKC, 0 },
                Package () { 0x0011FFFF, 0, LNKA, 0 },
                Package () { 0x0011FFFF, 1, LNKB, 0 },
                Package () { 0x0011FFFF, 2, LNKC, 0 },
                Package () { 0x0011FFFF, 3, LNKD, 0 },
                Package () { 0x0012FFFF, 0, LNKB, 0 },
                Package () { 0x0012FFFF, 1, LNKC, 0 },
                Package () { 0x0012FFFF, 2, LNKD, 0 },
                Package () { 0x0012FFFF, 3, LNKA, 0 },
                Package () { 0x0013FFFF, 0, LNKC, 0 },
                Package () { 0x0013FFFF, 1, LNKD, 0 },
                Package () { 0x0013FFFF, 2, LNKA, 0 },
                Package () { 0x0013FFFF, 3, LNKB, 0 },
                Package () { 0x0014FFFF, 0, LNKD, 0 },
                Package () { 0x0014FFFF, 1, LNKA, 0 },
                Package () { 0x0014FFFF, 2, LNKB, 0 },
                Package () { 0x0014FFFF, 3, LNKC, 0 },
                Package () { 0x0015FFFF, 0, LNKA, 0 },
                Package () { 0x0015FFFF, 1, LNKB, 0 },
                Package () { 0x0015FFFF, 2, LNKC, 0 },
                Package () { 0x0015FFFF, 3, LNKD, 0 },
                Package () { 0x0016FFFF, 0, LNKB, 0 },
                Package () { 0x0016FFFF, 1, LNKC, 0 },
                Package () { 0x0016FFFF, 2, LNKD, 0 },
                Package () { 0x0016FFFF, 3, LNKA, 0 },
                Package () { 0x0017FFFF, 0, LNKC, 0 },
                Package () { 0x0017FFFF, 1, LNKD, 0 },
                Package () { 0x0017FFFF, 2, LNKA, 0 },
                Package () { 0x0017FFFF, 3, LNKB, 0 },
                Package () { 0x0018FFFF, 0, LNKD, 0 },
                Package () { 0x0018FFFF, 1, LNKA, 0 },
                Package () { 0x0018FFFF, 2, LNKB, 0 },
                Package () { 0x0018FFFF, 3, LNKC, 0 },
                Package () { 0x0019FFFF, 0, LNKA, 0 },
                Package () { 0x0019FFFF, 1, LNKB, 0 },
                Package () { 0x0019FFFF, 2, LNKC, 0 },
                Package () { 0x0019FFFF, 3, LNKD, 0 },
                Package () { 0x001AFFFF, 0, LNKB, 0 },
                Package () { 0x001AFFFF, 1, LNKC, 0 },
                Package () { 0x001AFFFF, 2, LNKD, 0 },
                Package () { 0x001AFFFF, 3, LNKA, 0 },
                Package () { 0x001BFFFF, 0, LNKC, 0 },
                Package () { 0x001BFFFF, 1, LNKD, 0 },
                Package () { 0x001BFFFF, 2, LNKA, 0 },
                Package () { 0x001BFFFF, 3, LNKB, 0 },
                Package () { 0x001CFFFF, 0, LNKD, 0 },
                Package () { 0x001CFFFF, 1, LNKA, 0 },
                Package () { 0x001CFFFF, 2, LNKB, 0 },
                Package () { 0x001CFFFF, 3, LNKC, 0 },
                Package () { 0x001DFFFF, 0, LNKA, 0 },
                Package () { 0x001DFFFF, 1, LNKB, 0 },
                Package () { 0x001DFFFF, 2, LNKC, 0 },
                Package () { 0x001DFFFF, 3, LNKD, 0 }
            })

            Device (ISA)
            {
                Name (_ADR, 0x00010000)
                OperationRegion (PRQ, PCI_Config, 0x60, 4)
                Field (PRQ, ByteAcc, NoLock, Preserve)
                {
                    PRQA, 8, PRQB, 8, PRQC, 8, PRQD, 8
                }
            }
        }

        /* Interrupt links: _CRS and _SRS are the PIIX3 route registers, bit 7 = off. */
        Name (LPRS, ResourceTemplate ()
        {
            Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 5, 10, 11 }
        })
        Method (LCRS, 1, Serialized)
        {
            Name (BUFF, ResourceTemplate ()
            {
                Interrupt (ResourceConsumer, Level, ActiveHigh, Shared, , , LINT) { 0 }
            })
            CreateDWordField (BUFF, LINT._INT, LIRQ)
            If (!(Arg0 & 0x80)) { LIRQ = Arg0 & 0x0F }
            Return (BUFF)
        }
        Method (LSTA, 1, NotSerialized)
        {
            If (Arg0 & 0x80) { Return (0x09) }
            Return (0x0B)
        }
        Device (LNKA)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 1)
            Method (_STA, 0, NotSerialized) { Return (LSTA (\_SB.PCI0.ISA.PRQA)) }
            Method (_DIS, 0, NotSerialized) { \_SB.PCI0.ISA.PRQA |= 0x80 }
            Method (_PRS, 0, NotSerialized) { Return (LPRS) }
            Method (_CRS, 0, NotSerialized) { Return (LCRS (\_SB.PCI0.ISA.PRQA)) }
            Method (_SRS, 1, NotSerialized)
            {
                CreateDWordField (Arg0, 5, SIRQ)
                \_SB.PCI0.ISA.PRQA = SIRQ
            }
        }
        Device (LNKB)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 2)
            Method (_STA, 0, NotSerialized) { Return (LSTA (\_SB.PCI0.ISA.PRQB)) }
            Method (_DIS, 0, NotSerialized) { \_SB.PCI0.ISA.PRQB |= 0x80 }
            Method (_PRS, 0, NotSerialized) { Return (LPRS) }
            Method (_CRS, 0, NotSerialized) { Return (LCRS (\_SB.PCI0.ISA.PRQB)) }
            Method (_SRS, 1, NotSerialized)
            {
                CreateDWordField (Arg0, 5, SIRQ)
                \_SB.PCI0.ISA.PRQB = SIRQ
            }
        }
        Device (LNKC)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 3)
            Method (_STA, 0, NotSerialized) { Return (LSTA (\_SB.PCI0.ISA.PRQC)) }
            Method (_DIS, 0, NotSerialized) { \_SB.PCI0.ISA.PRQC |= 0x80 }
            Method (_PRS, 0, NotSerialized) { Return (LPRS) }
            Method (_CRS, 0, NotSerialized) { Return (LCRS (\_SB.PCI0.ISA.PRQC)) }
            Method (_SRS, 1, NotSerialized)
            {
                CreateDWordField (Arg0, 5, SIRQ)
                \_SB.PCI0.ISA.PRQC = SIRQ
            }
        }
        Device (LNKD)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 4)
            Method (_STA, 0, NotSerialized) { Return (LSTA (\_SB.PCI0.ISA.PRQD)) }
            Method (_DIS, 0, NotSerialized) { \_SB.PCI0.ISA.PRQD |= 0x80 }
            Method (_PRS, 0, NotSerialized) { Return (LPRS) }
            Method (_CRS, 0, NotSerialized) { Return (LCRS (\_SB.PCI0.ISA.PRQD)) }
            Method (_SRS, 1, NotSerialized)
            {
                CreateDWordField (Arg0, 5, SIRQ)
                \_SB.PCI0.ISA.PRQD = SIRQ
            }
        }
    }

    Scope (\_SB.PCI0.ISA)
    {
        Device (PIC)
        {
            Name (_HID, EisaId ("PNP0000"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0020, 0x0020, 1, 2)
                IO (Decode16, 0x00A0, 0x00A0, 1, 2)
                IO (Decode16, 0x04D0, 0x04D0, 1, 2)
                IRQNoFlags () { 2 }
            })
        }
        Device (TIMR)
        {
            Name (_HID, EisaId ("PNP0100"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0040, 0x0040, 1, 4)
                IRQNoFlags () { 0 }
            })
        }
        Device (DMAC)
        {
            Name (_HID, EisaId ("PNP0200"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0000, 0x0000, 1, 16)
                IO (Decode16, 0x0081, 0x0081, 1, 15)
                IO (Decode16, 0x00C0, 0x00C0, 1, 32)
                DMA (Compatibility, BusMaster, Transfer8_16) { 4 }
            })
        }
        Device (RTC)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0070, 0x0070, 1, 4)
                IRQNoFlags () { 8 }
            })
        }
        Device (SPKR)
        {
            Name (_HID, EisaId ("PNP0800"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0061, 0x0061, 1, 1)
            })
        }
        Device (FPU)
        {
            Name (_HID, EisaId ("PNP0C04"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x00F0, 0x00F0, 1, 16)
                IRQNoFlags () { 13 }
            })
        }
        Device (KBD)
        {
            Name (_HID, EisaId ("PNP0303"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0060, 0x0060, 1, 1)
                IO (Decode16, 0x0064, 0x0064, 1, 1)
                IRQNoFlags () { 1 }
            })
        }
        Device (MOU)
        {
            Name (_HID, EisaId ("PNP0F13"))
            Name (_CRS, ResourceTemplate ()
            {
                IRQNoFlags () { 12 }
            })
        }
        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Method (_STA) { Return (STAP (0)) }
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03F8, 0x03F8, 1, 8)
                IRQNoFlags () { 4 }
            })
        }
        Device (COM2)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 2)
            Method (_STA) { Return (STAP (1)) }
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x02F8, 0x02F8, 1, 8)
                IRQNoFlags () { 3 }
            })
        }
        Device (COM3)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 3)
            Method (_STA) { Return (STAP (2)) }
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03E8, 0x03E8, 1, 8)
                IRQNoFlags () { 4 }
            })
        }
        Device (COM4)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 4)
            Method (_STA) { Return (STAP (3)) }
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x02E8, 0x02E8, 1, 8)
                IRQNoFlags () { 3 }
            })
        }
        Device (LPT1)
        {
            Name (_HID, EisaId ("PNP0400"))
            Name (_UID, 1)
            Method (_STA) { Return (STAP (4)) }
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0378, 0x0378, 1, 8)
                IRQNoFlags () { 7 }
            })
        }
        Device (LPT2)
        {
            Name (_HID, EisaId ("PNP0400"))
            Name (_UID, 2)
            Method (_STA) { Return (STAP (5)) }
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0278, 0x0278, 1, 8)
                IRQNoFlags () { 5 }
            })
        }
        Device (FDC0)
        {
            Name (_HID, EisaId ("PNP0700"))
            Method (_STA) { Return (STAP (6)) }
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03F0, 0x03F0, 1, 6)
                IO (Decode16, 0x03F7, 0x03F7, 1, 1)
                IRQNoFlags () { 6 }
                DMA (Compatibility, NotBusMaster, Transfer8) { 2 }
            })
        }
        Device (HPET)
        {
            Name (_HID, EisaId ("PNP0103"))
            Method (_STA) { Return (STAP (7)) }
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xFED00000, 0x00000400)
            })
        }
        Device (SYSR)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0092, 0x0092, 1, 1)
                IO (Decode16, 0x00B2, 0x00B2, 1, 2)
                IO (Decode16, 0x0080, 0x0080, 1, 1)
            })
        }
    }
}
