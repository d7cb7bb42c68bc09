/* 8 threads that execute, allocate, slice, copy and schedule without end, on two cores: soak NEFF. */
#include <nrt/nrt_async.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

enum { THREADS = 8 };
static const float ones[6] = {1, 1, 1, 1, 1, 1};
static const float row[4] = {12, 15, 18, 21};
static nrt_model_t *models[2];

/* An execution may fail because of a reset or a fault of the node, but must not return a wrong result. */
static int run(NRT_STATUS status) {
    TRUE_(status != NRT_INVALID_HANDLE && status != NRT_INVALID && status != NRT_EXEC_BAD_INPUT);
    return status == NRT_SUCCESS;
}

static void *work(void *argument) {
    long number = (long)argument;
    nrt_model_t *model = models[number % 2];
    for (long round = 0;; round++) {
        nrt_tensor_set_t *in, *out;
        nrt_tensor_t *x, *y, *slice, *spare;
        nrta_seq_t seq = 0;
        float got[8];
        nrt_tensor_placement_t placement = (nrt_tensor_placement_t)(round % 3);
        if (!run(nrt_tensor_allocate(placement, (int)(number % 2), 24, "x", &x))) continue;
        EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_VIRTUAL, -1, 32, "y", &y));
        EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_HOST, -1, 1 << 16, "spare", &spare));
        EXPECT(0, nrt_tensor_allocate_slice(spare, 64, 32, "slice", &slice));
        EXPECT(0, nrt_allocate_tensor_set(&in));
        EXPECT(0, nrt_allocate_tensor_set(&out));
        EXPECT(0, nrt_add_tensor_to_tensor_set(in, "x", x));
        EXPECT(0, nrt_add_tensor_to_tensor_set(out, "y", y));
        EXPECT(0, nrt_tensor_write(x, ones, 0, sizeof ones));
        if (run(nrt_execute(model, in, out))) {
            EXPECT(0, nrt_tensor_copy(y, 0, slice, 0, 32));
            nrt_tensor_free(&spare);
            EXPECT(0, nrt_tensor_read(slice, got, 0, 32));
            TRUE_(memcmp(got, row, sizeof row) == 0);
        }
        if (nrta_execute_schedule(model, in, out, 0, NULL, &seq) == NRT_SUCCESS) {
            bool done = false;
            while (!done) {
                EXPECT(0, nrta_is_completed(seq, &done));
                usleep(200);
            }
        }
        nrt_tensor_free(&spare);
        nrt_tensor_free(&slice);
        nrt_tensor_free(&x);
        nrt_tensor_free(&y);
        nrt_destroy_tensor_set(&in);
        nrt_destroy_tensor_set(&out);
    }
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    size_t size;
    void *neff = slurp(argv[argc - 1], &size);
    EXPECT(0, nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""));
    for (int i = 0; i < 2; i++) EXPECT(0, nrt_load(neff, size, i, -1, &models[i]));
    for (long i = 0; i < THREADS; i++) EXPECT(0, pthread_create(&threads[i], NULL, work, (void *)i));
    puts("ready");
    fflush(stdout);
    pthread_join(threads[0], NULL);
    return 1;
}
