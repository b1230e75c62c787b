/* guest.h - for the file of a controller whose driver is its own test: what that test has beside it stays unused. */
#ifndef TEST_DURABLE_GUEST_H
#define TEST_DURABLE_GUEST_H

#include "durable.h"

static int own_tests(int argc, char **argv) G_GNUC_UNUSED;
#define main own_tests

#endif
