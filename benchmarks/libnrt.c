/* The program that benchmarks/libnrt.py measures: libnrt MODE NEFF [COUNT [THREADS]]. Prints one number, in microseconds or bytes. */
#define _GNU_SOURCE
#include <nrt/nrt.h>
#include <nrt/nrt_experimental.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static nrt_model_t *model;
static long count = 1000;

static void check(NRT_STATUS status, const char *what) {
    if (status != NRT_SUCCESS) {
        fprintf(stderr, "%s: %s\n", what, nrt_get_status_as_str(status));
        exit(1);
    }
}

static double microseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct {
    nrt_tensor_set_t *in, *out;
} sets;

static sets prepare(void) {
    nrt_tensor_info_array_t *info;
    sets made;
    check(nrt_get_model_tensor_info(model, &info), "nrt_get_model_tensor_info");
    check(nrt_allocate_tensor_set(&made.in), "nrt_allocate_tensor_set");
    check(nrt_allocate_tensor_set(&made.out), "nrt_allocate_tensor_set");
    for (uint64_t i = 0; i < info->tensor_count; i++) {
        const nrt_tensor_info_t *one = &info->tensor_array[i];
        nrt_tensor_t *tensor;
        check(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_VIRTUAL, -1, one->size, one->name, &tensor), "allocate");
        check(nrt_add_tensor_to_tensor_set(one->usage == NRT_TENSOR_USAGE_INPUT ? made.in : made.out, one->name, tensor),
              "add");
    }
    check(nrt_free_model_tensor_info(info), "free");
    return made;
}

static void *work(void *nothing) {
    sets mine = prepare();
    for (long i = 0; i < count; i++) check(nrt_execute(model, mine.in, mine.out), "nrt_execute");
    return nothing;
}

static long resident_bytes(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) exit(1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv) {
    static char neff[1 << 22];
    const char *mode = argc > 2 ? argv[1] : "";
    double started = microseconds(CLOCK_MONOTONIC);
    FILE *file = argc > 2 ? fopen(argv[2], "rb") : NULL;
    size_t size = file != NULL ? fread(neff, 1, sizeof neff, file) : 0;
    long threads = argc > 4 ? atol(argv[4]) : 1;
    if (argc > 3) count = atol(argv[3]);
    check(nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""), "nrt_init");
    if (!strcmp(mode, "init")) {
        printf("%f\n", microseconds(CLOCK_MONOTONIC) - started);
        return 0;
    }
    check(nrt_load(neff, size, 0, -1, &model), "nrt_load");
    if (!strcmp(mode, "execute") || !strcmp(mode, "cpu")) {
        clockid_t clock = !strcmp(mode, "cpu") ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
        sets mine = prepare();
        double *times = malloc((size_t)count * sizeof *times);
        for (long i = 0; i < count; i++) {
            started = microseconds(clock);
            check(nrt_execute(model, mine.in, mine.out), "nrt_execute");
            times[i] = microseconds(clock) - started;
        }
        qsort(times, (size_t)count, sizeof *times, ascending);
        printf("%f\n", times[count / 2]);
    } else if (!strcmp(mode, "size")) {
        nrt_tensor_t *tensor;
        check(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_VIRTUAL, -1, 8, "x", &tensor), "allocate");
        started = microseconds(CLOCK_MONOTONIC);
        for (long i = 0; i < count; i++)
            if (nrt_tensor_get_size(tensor) != 8) return 1;
        printf("%f\n", (microseconds(CLOCK_MONOTONIC) - started) / (double)count);
    } else if (!strcmp(mode, "threads")) {
        pthread_t *all = malloc((size_t)threads * sizeof *all);
        long each = count;
        /* The first execution imports NumPy. */
        count = 1;
        work(NULL);
        count = each;
        started = microseconds(CLOCK_MONOTONIC);
        for (long i = 0; i < threads; i++) pthread_create(&all[i], NULL, work, NULL);
        for (long i = 0; i < threads; i++) pthread_join(all[i], NULL);
        printf("%f\n", (microseconds(CLOCK_MONOTONIC) - started) / (double)(threads * count));
    } else if (!strcmp(mode, "memory")) {
        long before, all = count;
        count = all / 10;
        work(NULL);
        before = resident_bytes();
        count = all - count;
        work(NULL);
        printf("%ld\n", resident_bytes() - before);
    } else {
        return 2;
    }
    return 0;
}
