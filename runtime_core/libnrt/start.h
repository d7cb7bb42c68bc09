/* Entering and leaving the library. */
#ifndef LIBNRT_START_H
#define LIBNRT_START_H

#include <fenv.h>

/* State of the host program that a call restores: its floating-point environment, errno, and whether the thread can be
 * cancelled: a thread that ended inside a call would keep Python's lock. */
typedef struct {
    fenv_t environment;
    int error;
    int cancelling;
    int counted;
} libnrt_call;

/* Starts Python at the first call. Returns 0 if it did not start; the log has the reason. nrt_close waits for counted
 * calls. */
int libnrt_enter(libnrt_call *call, int counted);
void libnrt_leave(const libnrt_call *call);
int libnrt_started(void);

/* For Python. The number of counted calls in progress. While the runtime is closing, further calls wait before they
 * enter, except those of callbacks, which closing waits for. */
long libnrt_inside(void);
void libnrt_set_closing(int closing);
void libnrt_set_callback(int in_callback);

#endif
