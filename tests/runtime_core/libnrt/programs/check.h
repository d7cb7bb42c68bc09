/* Common parts of the test programs: a check that prints its line, a NEFF from a file. */
#ifndef CHECK_H
#define CHECK_H

#include <nrt/nrt.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPECT(status, call)                                                                                 \
    do {                                                                                                     \
        int got_ = (int)(call);                                                                              \
        if (got_ != (int)(status)) {                                                                         \
            fprintf(stdout, "%s:%d: %s: expected %d, got %d\n", __FILE__, __LINE__, #call, (int)(status), got_); \
            fflush(stdout);                                                                                  \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)
#define TRUE_(what) EXPECT(1, !!(what))

static inline void *slurp(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    char *data;
    long end;
    TRUE_(file != NULL);
    fseek(file, 0, SEEK_END);
    end = ftell(file);
    rewind(file);
    data = (char *)malloc((size_t)end + 1);
    *size = fread(data, 1, (size_t)end, file);
    fclose(file);
    return data;
}

#endif
