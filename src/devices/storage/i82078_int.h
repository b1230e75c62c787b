/* i82078_int.h - between i82078.c (registers, control commands) and i82078_data.c (commands that move data). */
#ifndef DEVICES_STORAGE_I82078_INT_H
#define DEVICES_STORAGE_I82078_INT_H

#include "devices/storage/i82078.h"

/* Status registers 0-2 (data sheet 5.1). */
enum { ST0_ABNORMAL = 0x40, ST0_INVALID = 0x80, ST0_READY_CHANGED = 0xc0, ST0_SEEK_END = 0x20, ST0_CHECK = 0x10 };
enum { ST1_END = 0x80, ST1_DATA_ERROR = 0x20, ST1_NO_DATA = 0x04, ST1_PROTECTED = 0x02, ST1_MISSING_MARK = 0x01 };
enum { ST2_CONTROL_MARK = 0x40, ST2_WRONG_CYLINDER = 0x10 };

/** The result phase: @bytes bytes are in fifo. @interrupt: the pin goes up until the first is read. */
void fdc_result(struct i82078 *c, unsigned bytes, bool interrupt);

void fdc_read_data(struct i82078 *c);
void fdc_read_deleted(struct i82078 *c);
void fdc_read_track(struct i82078 *c);
void fdc_verify(struct i82078 *c);
void fdc_write_data(struct i82078 *c);
void fdc_format_track(struct i82078 *c);
void fdc_read_id(struct i82078 *c);
/** The buffer was taken or filled in full without terminal count. */
void fdc_buffer_done(struct i82078 *c);

#endif
