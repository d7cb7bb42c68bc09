/* The whole life of a model and its tensors: argv[1] is a NEFF of y = x @ w, x float32[2,3], y float32[2,4]. */
#include <nrt/ndebug_stream.h>
#include <nrt/nrt_async.h>
#include <nrt/nrt_async_sendrecv.h>
#include <nrt/nrt_experimental.h>
#include <nrt/nrt_profile.h>
#include <nrt/nrt_sys_trace.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

enum { X_BYTES = 24, Y_BYTES = 32 };
static const float ones[6] = {1, 1, 1, 1, 1, 1};
static const float row[4] = {12, 15, 18, 21};

static nrt_tensor_t *tensor(nrt_tensor_placement_t placement, size_t size, const char *name) {
    nrt_tensor_t *made = NULL;
    EXPECT(0, nrt_tensor_allocate(placement, 0, size, name, &made));
    TRUE_(made != NULL);
    return made;
}

static void placements(void) {
    char *va;
    nrt_tensor_t *t, *slice, *second, *none;
    nrt_tensor_device_allocation_info_t where;
    char data[64], got[64];
    float mine[4] = {1, 2, 3, 4};
    size_t big = 1 << 20;
    for (int placement = 0; placement < 3; placement++) {
        t = tensor((nrt_tensor_placement_t)placement, big, NULL);
        va = (char *)nrt_tensor_get_va(t);
        EXPECT(0, (uintptr_t)va % 64);
        for (size_t i = 0; i < big; i++) TRUE_(va[i] == 0);
        EXPECT(big, nrt_tensor_get_size(t));
        strcpy(data, "hello");
        EXPECT(0, nrt_tensor_write(t, data, big - 6, 6));
        TRUE_(strcmp(va + big - 6, "hello") == 0);
        EXPECT(NRT_INVALID, nrt_tensor_write(t, data, big - 5, 6));
        EXPECT(NRT_INVALID, nrt_tensor_read(t, got, (size_t)-1, 6));
        EXPECT(NRT_INVALID, nrt_tensor_read(t, NULL, 0, 6));
        EXPECT(0, nrt_tensor_memset(t, 2, 'z', 3));
        TRUE_(va[1] == 0 && va[2] == 'z' && va[4] == 'z' && va[5] == 0);
        EXPECT(0, nrt_memcpy_to_device(va + 8, "device", 7));
        EXPECT(0, nrt_tensor_read(t, got, 8, 7));
        TRUE_(strcmp(got, "device") == 0);
        EXPECT(placement ? NRT_INVALID : NRT_SUCCESS, nrt_tensor_get_device_allocation_info(t, &where));
        if (!placement) TRUE_(where.physical_address != 0 && where.size == big && where.hbm_index == 0);

        /* A slice shares the bytes and outlives the tensor. */
        EXPECT(0, nrt_tensor_allocate_slice(t, 8, 16, "slice", &slice));
        EXPECT(0, nrt_tensor_allocate_slice(slice, 1, 4, NULL, &second));
        EXPECT(NRT_INVALID, nrt_tensor_allocate_slice(slice, 1, 16, NULL, &none));
        EXPECT(0, nrt_tensor_write(slice, "DEV", 0, 3));
        TRUE_(memcmp(va + 8, "DEVice", 6) == 0);
        none = t;
        nrt_tensor_free(&t);
        TRUE_(t == NULL);
        nrt_tensor_free(&t);
        nrt_tensor_free(&none);
        EXPECT(0, nrt_tensor_read(second, got, 0, 4));
        TRUE_(memcmp(got, "EVic", 4) == 0);
        nrt_tensor_free(&slice);
        EXPECT(0, nrt_tensor_read(second, got, 0, 4));
        nrt_tensor_free(&second);
    }
    EXPECT(NRT_RESOURCE, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_HOST, -1, (4 << 20) + 1, "h", &t));
    EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_HOST, -1, 4 << 20, "h", &t));
    nrt_tensor_free(&t);
    EXPECT(NRT_INVALID, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, -1, 8, "d", &t));
    EXPECT(NRT_INVALID, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 0, "d", &t));

    EXPECT(0, nrt_tensor_allocate_empty("empty", &t));
    EXPECT(0, nrt_tensor_get_size(t));
    EXPECT(NRT_INVALID, nrt_tensor_write(t, data, 0, 1));
    EXPECT(0, nrt_tensor_attach_buffer(t, mine, sizeof mine));
    EXPECT(sizeof mine, nrt_tensor_get_size(t));
    TRUE_(nrt_tensor_get_va(t) == (void *)mine);
    mine[2] = 42;
    EXPECT(0, nrt_tensor_read(t, got, 8, 4));
    TRUE_(memcmp(got, &mine[2], 4) == 0);
    EXPECT(0, nrt_tensor_allocate_slice(t, 4, 8, "tail", &slice));
    TRUE_(nrt_tensor_get_va(slice) == (void *)&mine[1]);
    nrt_tensor_free(&t);
    nrt_tensor_free(&slice);
    TRUE_(mine[2] == 42);

    /* Attaching releases device memory. */
    {
        nrt_vnc_memory_stats_t before, with, after;
        size_t written = 0;
        EXPECT(0, nrt_get_vnc_memory_stats(0, &before, sizeof before, &written));
        EXPECT(sizeof before, written);
        TRUE_(before.bytes_limit == (size_t)8 << 30);
        t = tensor(NRT_TENSOR_PLACEMENT_DEVICE, 1 << 20, "d");
        EXPECT(0, nrt_get_vnc_memory_stats(0, &with, sizeof with, NULL));
        TRUE_(with.bytes_used == before.bytes_used + (1 << 20));
        EXPECT(0, nrt_tensor_attach_buffer(t, mine, sizeof mine));
        memset(&after, 0xAA, sizeof after);
        EXPECT(0, nrt_get_vnc_memory_stats(0, &after, 8, &written));
        TRUE_(written == 8 && after.bytes_used == before.bytes_used && after.bytes_limit == 0xAAAAAAAAAAAAAAAAu);
        nrt_tensor_free(&t);
    }
}

static void copies_and_batches(void) {
    nrt_tensor_t *a = tensor(NRT_TENSOR_PLACEMENT_DEVICE, 64, "a"), *b = tensor(NRT_TENSOR_PLACEMENT_DEVICE, 64, "b"),
                 *far_ = NULL;
    char one[8] = "1234567", two[8] = "abcdefg", back[16];
    nrt_tensor_batch_op_t writes[2] = {{0, 8, one}, {32, 8, two}}, reads[2] = {{32, 8, back}, {0, 8, back + 8}},
                          wrong[2] = {{0, 8, two}, {60, 8, two}};
    nrt_tensor_batch_t batch[2] = {{a, writes, 2}, {b, writes, 1}}, read = {a, reads, 2}, bad = {a, wrong, 2};
    EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 1, 64, "far", &far_));
    EXPECT(0, nrt_tensor_write_batch(batch, 2, false));
    EXPECT(0, nrt_tensor_read_batch(&read, 1, true));
    TRUE_(memcmp(back, "abcdefg\0" "1234567", 16) == 0);
    EXPECT(NRT_INVALID, nrt_tensor_write_batch(&bad, 1, false));
    TRUE_(memcmp(nrt_tensor_get_va(a), "1234567", 8) == 0);
    EXPECT(0, nrt_tensor_write_batch(NULL, 0, false));
    EXPECT(0, nrt_tensor_copy(a, 32, b, 8, 8));
    TRUE_(memcmp((char *)nrt_tensor_get_va(b) + 8, "abcdefg", 8) == 0);
    EXPECT(NRT_INVALID, nrt_tensor_copy(a, 0, far_, 0, 8));
    EXPECT(NRT_INVALID, nrt_tensor_copy(a, 60, b, 0, 8));
    nrt_tensor_free(&a);
    EXPECT(NRT_INVALID_HANDLE, nrt_tensor_read_batch(&read, 1, false));
    nrt_tensor_free(&b);
    nrt_tensor_free(&far_);
}

static void information(nrt_model_t *model) {
    nrt_tensor_info_array_t *info = NULL;
    nrt_model_info_t where;
    uint32_t count = 0, host = 9, map[16];
    size_t written;
    EXPECT(0, nrt_get_model_tensor_info(model, &info));
    EXPECT(2, info->tensor_count);
    TRUE_(strcmp(info->tensor_array[0].name, "x") == 0 && strcmp(info->tensor_array[1].name, "y") == 0);
    EXPECT(NRT_TENSOR_USAGE_INPUT, info->tensor_array[0].usage);
    EXPECT(NRT_TENSOR_USAGE_OUTPUT, info->tensor_array[1].usage);
    EXPECT(Y_BYTES, info->tensor_array[1].size);
    EXPECT(NRT_DTYPE_FLOAT32, info->tensor_array[1].dtype);
    EXPECT(2, info->tensor_array[1].ndim);
    TRUE_(info->tensor_array[1].shape[0] == 2 && info->tensor_array[1].shape[1] == 4);
    EXPECT(0, nrt_free_model_tensor_info(info));
    EXPECT(NRT_INVALID_HANDLE, nrt_free_model_tensor_info(info));
    EXPECT(0, nrt_get_model_nc_count(model, &count));
    EXPECT(1, count);
    EXPECT(0, nrt_get_model_vnc_count(model, &count));
    EXPECT(1, count);
    EXPECT(0, nrt_get_model_instance_count(model, &count));
    TRUE_(count >= 1);
    EXPECT(0, nrt_get_model_info(model, &where, sizeof where, &written));
    TRUE_(where.vnc == 0 && written == 4);
    EXPECT(0, nrt_host_device_id_get(0, &host));
    EXPECT(0, host);
    EXPECT(0, nrt_host_device_id_rid_map_get(&count, map));
    TRUE_(count == 4 && map[3] == 3);
}

static void sets_and_executions(nrt_model_t *model) {
    nrt_tensor_set_t *in = NULL, *out = NULL;
    nrt_tensor_t *x = tensor(NRT_TENSOR_PLACEMENT_DEVICE, X_BYTES, "named otherwise"),
                 *y = tensor(NRT_TENSOR_PLACEMENT_VIRTUAL, Y_BYTES, NULL), *found = (nrt_tensor_t *)row,
                 *small = tensor(NRT_TENSOR_PLACEMENT_HOST, 8, "small");
    float got[8];
    EXPECT(0, nrt_allocate_tensor_set(&in));
    EXPECT(0, nrt_allocate_tensor_set(&out));
    EXPECT(NRT_EXEC_BAD_INPUT, nrt_execute(model, in, out));
    EXPECT(0, nrt_add_tensor_to_tensor_set(in, "x", small));
    EXPECT(0, nrt_add_tensor_to_tensor_set(out, "y", y));
    EXPECT(NRT_EXEC_BAD_INPUT, nrt_execute(model, in, out));
    EXPECT(0, nrt_add_tensor_to_tensor_set(in, "x", x));
    EXPECT(NRT_INVALID, nrt_add_tensor_to_tensor_set(in, NULL, x));
    EXPECT(NRT_FAILURE, nrt_get_tensor_from_tensor_set(in, "absent", &found));
    TRUE_(found == (nrt_tensor_t *)row);
    EXPECT(0, nrt_get_tensor_from_tensor_set(in, "x", &found));
    TRUE_(found == x);
    EXPECT(0, nrt_tensor_write(x, ones, 0, sizeof ones));
    EXPECT(NRT_TIMEOUT, nrt_tensor_check_output_completion(y, 1000, 1));
    EXPECT(0, nrt_execute(model, in, out));
    EXPECT(0, nrt_tensor_read(y, got, 0, sizeof got));
    TRUE_(memcmp(got, row, sizeof row) == 0 && memcmp(got + 4, row, sizeof row) == 0);
    EXPECT(0, nrt_execute_repeat(model, in, out, 3));
    EXPECT(NRT_INVALID, nrt_execute_repeat(model, in, out, 0));
    EXPECT(0, nrt_tensor_check_output_completion(y, -1, 4));
    EXPECT(NRT_TIMEOUT, nrt_tensor_check_output_completion(y, 0, 5));
    EXPECT(0, nrt_tensor_reset_output_completion(y));
    EXPECT(NRT_TIMEOUT, nrt_tensor_check_output_completion(y, 0, 1));
    EXPECT(NRT_INVALID_HANDLE, nrt_execute(model, out, NULL));
    EXPECT(NRT_INVALID_HANDLE, nrt_execute((nrt_model_t *)in, in, out));
    nrt_tensor_free(&x);
    EXPECT(NRT_INVALID_HANDLE, nrt_execute(model, in, out));
    EXPECT(NRT_INVALID_HANDLE, nrt_get_tensor_from_tensor_set(in, "x", &found));
    nrt_tensor_free(&y);
    nrt_tensor_free(&small);
    nrt_destroy_tensor_set(&in);
    nrt_destroy_tensor_set(&out);
    TRUE_(in == NULL && out == NULL);
}

static struct {
    pthread_t thread;
    uint32_t vnc;
    uint64_t job;
    NRT_STATUS status;
    int calls;
} seen;

static void on_execution(void *params, uint32_t model_id, uint32_t vnc, uint64_t job_id, NRT_STATUS status) {
    TRUE_(params == (void *)&seen && model_id != 0);
    seen.thread = pthread_self();
    seen.vnc = vnc;
    seen.job = job_id;
    seen.status = status;
    seen.calls++;
}

static void asynchronous(nrt_model_t *model) {
    nrt_tensor_set_t *in, *out, *none;
    nrt_tensor_t *x = tensor(NRT_TENSOR_PLACEMENT_DEVICE, X_BYTES, "x"), *y = tensor(NRT_TENSOR_PLACEMENT_DEVICE, Y_BYTES, "y"),
                 *copy = tensor(NRT_TENSOR_PLACEMENT_DEVICE, Y_BYTES, "copy");
    nrta_error_tracker_t *tracker = NULL;
    const nrta_error_t *errors = NULL;
    nrta_seq_t wrote, ran, failed, again, copied, last;
    size_t count = 9;
    bool done = false;
    float got[8];
    int fd = -1;
    EXPECT(0, nrt_allocate_tensor_set(&in));
    EXPECT(0, nrt_allocate_tensor_set(&out));
    EXPECT(0, nrt_allocate_tensor_set(&none));
    EXPECT(0, nrt_add_tensor_to_tensor_set(in, "x", x));
    EXPECT(0, nrt_add_tensor_to_tensor_set(out, "y", y));
    EXPECT(0, nrta_error_tracker_create(0, &tracker));
    EXPECT(0, nrt_register_async_exec_callback(on_execution, &seen));
    EXPECT(NRT_INVALID, nrta_tensor_write(x, ones, 0, sizeof ones, 2, tracker, &wrote));
    EXPECT(NRT_INVALID, nrta_tensor_write(x, ones, 8, sizeof ones, 0, tracker, &wrote));
    EXPECT(NRT_INVALID_HANDLE, nrta_tensor_write(x, ones, 0, sizeof ones, 0, (nrta_error_tracker_t *)x, &wrote));
    EXPECT(0, nrta_tensor_write(x, ones, 0, sizeof ones, 1, tracker, &wrote));
    EXPECT(0, nrta_get_completion_handle(wrote, &fd));
    {
        struct pollfd poll_ = {fd, POLLIN, 0};
        EXPECT(1, poll(&poll_, 1, 10000));
        TRUE_(poll_.revents & POLLIN);
        close(fd);
    }
    EXPECT(0, nrta_is_completed(wrote, &done));
    TRUE_(done);
    EXPECT(NRT_INVALID, nrta_is_completed(wrote + 1, &done));
    EXPECT(0, nrta_execute_schedule(model, in, out, 0, tracker, &ran));
    EXPECT(0, nrta_execute_schedule(model, none, out, 0, tracker, &failed));
    EXPECT(0, nrta_execute_schedule(model, in, out, 0, NULL, &again));
    TRUE_(ran >> 48 == failed >> 48 && ran >> 48 != wrote >> 48 && failed == ran + 1 && again == ran + 2);
    EXPECT(0, nrta_get_sequence(0, NRTA_XU_COMPUTE, 0, &last));
    TRUE_(last == again);
    EXPECT(0, nrt_async_drain_queued_execs(0));
    EXPECT(0, nrta_is_completed(again, &done));
    TRUE_(done && seen.calls == 3 && seen.job == again && seen.status == 0 && seen.vnc == 0);
    TRUE_(!pthread_equal(seen.thread, pthread_self()));
    EXPECT(0, nrta_get_completion_handle(ran, &fd));
    {
        struct pollfd poll_ = {fd, POLLIN, 0};
        EXPECT(1, poll(&poll_, 1, 0));
        close(fd);
    }
    EXPECT(0, nrta_error_tracker_get_list(tracker, &errors, &count));
    TRUE_(count == 1 && errors[0].seq_id == failed && errors[0].error_code == NRT_EXEC_BAD_INPUT);
    EXPECT(0, nrta_tensor_copy(y, 0, copy, 0, Y_BYTES, 0, tracker, &copied));
    for (done = false; !done;) EXPECT(0, nrta_is_completed(copied, &done));
    EXPECT(0, nrta_tensor_read(got, copy, 0, sizeof got, 0, tracker, &copied));
    for (done = false; !done;) EXPECT(0, nrta_is_completed(copied, &done));
    TRUE_(memcmp(got, row, sizeof row) == 0);

    /* Collectives of one rank. */
    {
        uint32_t group = 0;
        nrt_cc_comm_t comm = {&group, 0, 1, 0, 1, 0};
        nrt_tensor_list_t from = {&y, 1}, to = {&copy, 1};
        nrt_cc_context_t *context = NULL;
        char data[8] = "gather";
        char gathered[8] = "";
        EXPECT(0, nrt_build_global_comm(0, 0, 1));
        EXPECT(0, nrt_cc_global_comm_init(0, 0, 1));
        EXPECT(0, nrt_barrier(0, 0, 1));
        EXPECT(0, nrt_all_gather(0, 0, 1, 8, data, gathered));
        TRUE_(strcmp(gathered, "gather") == 0);
        EXPECT(0, nrt_all_gather(0, 0, 1, 8, data, data));
        EXPECT(0, nrt_tensor_memset(copy, 0, 0, Y_BYTES));
        EXPECT(0, nrta_cc_prepare(&comm, &from, &to, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLREDUCE, &context));
        EXPECT(NRT_INVALID, nrta_cc_schedule(&context, 3, tracker, &copied));
        EXPECT(0, nrta_cc_schedule(&context, 2, tracker, &copied));
        TRUE_(context == NULL);
        for (done = false; !done;) EXPECT(0, nrta_is_completed(copied, &done));
        TRUE_(memcmp(nrt_tensor_get_va(copy), row, sizeof row) == 0);
    }
    nrta_error_tracker_destroy(tracker);
    EXPECT(NRT_INVALID_HANDLE, nrta_error_tracker_get_list(tracker, &errors, &count));
    EXPECT(0, nrt_register_async_exec_callback(NULL, NULL));
    nrt_tensor_free(&x);
    nrt_tensor_free(&y);
    nrt_tensor_free(&copy);
    nrt_destroy_tensor_set(&in);
    nrt_destroy_tensor_set(&out);
    nrt_destroy_tensor_set(&none);
}

static void send_and_receive(void) {
    nrt_tensor_t *a = tensor(NRT_TENSOR_PLACEMENT_DEVICE, 16, "a"), *b = NULL;
    nrt_async_sendrecv_comm_t *out = NULL, *in = NULL;
    nrt_async_sendrecv_request_t *sent = NULL, *received = NULL;
    bool done = true;
    size_t size = 0;
    int most = 0;
    EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 1, 16, "b", &b));
    EXPECT(0, nrt_tensor_write(a, "over the wire", 0, 14));
    EXPECT(0, nrt_async_sendrecv_init(0));
    EXPECT(0, nrt_async_sendrecv_init(1));
    EXPECT(0, nrt_async_sendrecv_connect("127.0.0.1", 1, 0, &out));
    EXPECT(0, nrt_async_sendrecv_test_comm(out, &done));
    TRUE_(!done);
    EXPECT(NRT_INVALID, nrt_async_sendrecv_send_tensor(a, 0, 16, out, &sent));
    EXPECT(0, nrt_async_sendrecv_accept("127.0.0.1", 0, 1, &in));
    EXPECT(0, nrt_async_sendrecv_test_comm(out, &done));
    TRUE_(done);
    EXPECT(NRT_INVALID, nrt_async_sendrecv_recv_tensor(b, 0, 16, out, &received));
    EXPECT(0, nrt_async_sendrecv_send_tensor(a, 0, 16, out, &sent));
    EXPECT(0, nrt_async_sendrecv_test_request(sent, &done, &size));
    TRUE_(!done && size == 0);
    EXPECT(0, nrt_async_sendrecv_recv_tensor(b, 0, 16, in, &received));
    EXPECT(0, nrt_async_sendrecv_test_request(sent, &done, &size));
    TRUE_(done && size == 16);
    EXPECT(0, nrt_async_sendrecv_test_request(received, &done, &size));
    TRUE_(done && strcmp((char *)nrt_tensor_get_va(b), "over the wire") == 0);
    EXPECT(NRT_INVALID_HANDLE, nrt_async_sendrecv_test_request(received, &done, &size));
    EXPECT(0, nrt_async_sendrecv_flush(0));
    EXPECT(0, nrt_async_sendrecv_get_max_num_communicators_per_lnc(&most));
    for (int i = 1; i < most; i++) EXPECT(0, nrt_async_sendrecv_connect("127.0.0.1", 1, 0, &in));
    EXPECT(NRT_RESOURCE, nrt_async_sendrecv_connect("127.0.0.1", 1, 0, &in));
    EXPECT(0, nrt_async_sendrecv_get_max_num_pending_request(&most));
    TRUE_(most > 0);
    EXPECT(0, nrt_async_sendrecv_close(0));
    EXPECT(NRT_INVALID, nrt_async_sendrecv_close(0));
    nrt_tensor_free(&a);
    nrt_tensor_free(&b);
}

static void execute_once(nrt_model_t *model) {
    nrt_tensor_set_t *in, *out;
    nrt_tensor_t *x = tensor(NRT_TENSOR_PLACEMENT_DEVICE, X_BYTES, "x"), *y = tensor(NRT_TENSOR_PLACEMENT_DEVICE, Y_BYTES, "y");
    EXPECT(0, nrt_allocate_tensor_set(&in));
    EXPECT(0, nrt_allocate_tensor_set(&out));
    EXPECT(0, nrt_add_tensor_to_tensor_set(in, "x", x));
    EXPECT(0, nrt_add_tensor_to_tensor_set(out, "y", y));
    EXPECT(0, nrt_execute(model, in, out));
    EXPECT(NRT_EXEC_BAD_INPUT, nrt_execute(model, out, in));
    nrt_tensor_free(&x);
    nrt_tensor_free(&y);
    nrt_destroy_tensor_set(&in);
    nrt_destroy_tensor_set(&out);
}

static void records(nrt_model_t *model) {
    nrt_sys_trace_config_t *config;
    nrt_sys_trace_fetch_options_t *fetch;
    nrt_profile_continuous_options_t *continuous;
    nrt_inspect_config_t *inspect;
    char *json = NULL;
    size_t size = 0;
    EXPECT(0, nrt_sys_trace_config_allocate(&config));
    EXPECT(0, nrt_sys_trace_config_set_capture_enabled_for_event_type(config, "nrt_tensor_free", false));
    EXPECT(0, nrt_sys_trace_start(config));
    EXPECT(NRT_INVALID, nrt_sys_trace_start(NULL));
    EXPECT(0, nrt_trace_start(false));
    EXPECT(0, nrt_profile_start(model, "profile.json"));
    EXPECT(NRT_INVALID, nrt_profile_start(model, "profile.json"));
    EXPECT(0, nrt_profile_continuous_start(NULL));
    EXPECT(0, nrt_inspect_config_allocate(&inspect));
    EXPECT(0, nrt_inspect_config_set_output_dir(inspect, "inspected"));
    EXPECT(0, nrt_inspect_config_set_session_id(inspect, 7));
    EXPECT(0, nrt_inspect_config_set_activity(inspect, "all", true));
    EXPECT(0, nrt_inspect_begin_with_options(inspect));
    execute_once(model);
    EXPECT(0, nrt_inspect_stop());
    EXPECT(0, nrt_inspect_config_free(inspect));
    EXPECT(0, nrt_profile_continuous_options_allocate(&continuous));
    EXPECT(0, nrt_profile_continuous_options_set_output_dir(continuous, "continuous"));
    EXPECT(0, nrt_profile_continuous_save(0, continuous));
    EXPECT(0, nrt_profile_continuous_stop());
    EXPECT(0, nrt_profile_continuous_options_free(continuous));
    EXPECT(NRT_INVALID, nrt_profile_stop("other.json"));
    EXPECT(0, nrt_profile_stop("profile.json"));
    EXPECT(0, nrt_trace_stop("trace.json"));
    EXPECT(0, nrt_sys_trace_stop());
    EXPECT(0, nrt_sys_trace_fetch_options_allocate(&fetch));
    nrt_sys_trace_fetch_options_set_nc_idx(fetch, 0);
    nrt_sys_trace_fetch_options_set_max_events_per_nc(fetch, 1);
    EXPECT(0, nrt_sys_trace_fetch_events(&json, &size, fetch));
    TRUE_(strlen(json) == size && strstr(json, "\"event_type\":\"nrt_execute\"") && strstr(json, "\"status\":0"));
    nrt_sys_trace_buffer_free(json);
    nrt_sys_trace_fetch_options_set_defaults(fetch);
    EXPECT(0, nrt_sys_trace_fetch_events(&json, &size, fetch));
    TRUE_(strstr(json, "\"status\":1002") && strstr(json, "nrt_tensor_allocate") && !strstr(json, "nrt_tensor_free"));
    nrt_sys_trace_buffer_free(json);
    EXPECT(0, nrt_sys_trace_fetch_events(&json, &size, NULL));
    TRUE_(!strstr(json, "event_type"));
    nrt_sys_trace_buffer_free(json);
    nrt_sys_trace_fetch_options_free(fetch);
    nrt_sys_trace_config_free(config);
}

static void debug_stream(void) {
    int fd = -1, second;
    EXPECT(0, nrt_debug_client_connect(1, &fd));
    EXPECT(NRT_INVALID, nrt_debug_client_connect(1, &second));
    {
        struct pollfd poll_ = {fd, POLLIN, 0};
        EXPECT(0, poll(&poll_, 1, 0));
    }
    nrt_debug_client_connect_close(fd);
    EXPECT(0, nrt_debug_client_connect(1, &fd));
}

int main(int argc, char **argv) {
    size_t size;
    void *neff = slurp(argv[argc - 1], &size);
    nrt_model_t *model = NULL, *others[4], *gone;
    nrt_model_info_t where;
    EXPECT(0, nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""));
    EXPECT(NRT_INVALID, nrt_load(neff, size, 4, -1, &model));
    EXPECT(NRT_INVALID, nrt_load(neff, size, -2, -1, &model));
    EXPECT(0, nrt_load(neff, size, -1, -1, &model));
    placements();
    copies_and_batches();
    information(model);
    sets_and_executions(model);
    asynchronous(model);
    send_and_receive();
    records(model);
    debug_stream();
    /* -1: the first free core; a released core is free again. */
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT(0, nrt_load(neff, size, -1, -1, &others[i]));
        EXPECT(0, nrt_get_model_info(others[i], &where, sizeof where, &size));
        EXPECT(i + 1, where.vnc);
        free(neff);
        neff = slurp(argv[argc - 1], &size);
    }
    gone = others[1];
    EXPECT(0, nrt_unload(others[1]));
    EXPECT(NRT_INVALID_HANDLE, nrt_unload(gone));
    EXPECT(0, nrt_load_collectives(neff, size, -1, -1, 0, 1, &others[1]));
    EXPECT(0, nrt_get_model_info(others[1], &where, sizeof where, NULL));
    EXPECT(2, where.vnc);
    nrt_close();
    EXPECT(NRT_CLOSED, nrt_unload(model));
    EXPECT(0, nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""));
    EXPECT(NRT_INVALID_HANDLE, nrt_unload(model));
    EXPECT(0, nrt_load(neff, size, 3, 1, &model));
    execute_once(model);
    free(neff);
    puts("DONE");
    /* Without nrt_close. */
    return 0;
}
