/* Calls every exported function incorrectly: before nrt_init, with NULL, freed and foreign handles, and after nrt_close. */
#include <ndl/ndl.h>
#include <nrt/ndebug_stream.h>
#include <nrt/nec.h>
#include <nrt/nrt_async.h>
#include <nrt/nrt_async_sendrecv.h>
#include <nrt/nrt_experimental.h>
#include <nrt/nrt_profile.h>
#include <nrt/nrt_sys_trace.h>
#include <nrt/nrt_version.h>
#include <string.h>

#include "check.h"

static char bytes[4096];
static uint32_t u32;
static size_t size;
static int number;
static bool flag;
static nrta_seq_t seq;
static void *address;
static const char **texts;
static char *text;

/* Status calls on a handle `h` of any type. */
#define M ((nrt_model_t *)h)
#define T ((nrt_tensor_t *)h)
#define S ((nrt_tensor_set_t *)h)
static void with_handle(void *h, int expected) {
    EXPECT(expected, nrt_unload(M));
    EXPECT(expected, nrt_get_model_nc_count(M, &u32));
    EXPECT(expected, nrt_get_model_vnc_count(M, &u32));
    EXPECT(expected, nrt_add_tensor_to_tensor_set(S, "x", T));
    EXPECT(expected, nrt_get_tensor_from_tensor_set(S, "x", (nrt_tensor_t **)&address));
    EXPECT(expected, nrt_execute(M, S, S));
    EXPECT(expected, nrt_execute_repeat(M, S, S, 2));
    EXPECT(expected, nrt_tensor_read(T, bytes, 0, 8));
    EXPECT(expected, nrt_tensor_write(T, bytes, 0, 8));
    EXPECT(expected, nrt_tensor_copy(T, 0, T, 0, 8));
    EXPECT(0, nrt_tensor_get_size(T));
    EXPECT(expected, nrt_tensor_memset(T, 0, 1, 8));
    EXPECT(expected, nrt_tensor_attach_buffer(T, bytes, 8));
    EXPECT(expected, nrt_tensor_allocate_slice(T, 0, 8, "s", (nrt_tensor_t **)&address));
    TRUE_(nrt_tensor_get_va(T) == NULL);
    EXPECT(expected, nrt_tensor_get_device_allocation_info(T, (nrt_tensor_device_allocation_info_t *)bytes));
    EXPECT(h || expected > 3 ? expected : NRT_INVALID, nrt_tensor_check_output_completion(T, 0, 1));
    EXPECT(h || expected > 3 ? expected : NRT_INVALID, nrt_tensor_reset_output_completion(T));
    {
        nrt_tensor_batch_op_t op = {0, 8, bytes};
        nrt_tensor_batch_t batch = {T, &op, 1};
        EXPECT(expected, nrt_tensor_read_batch(&batch, 1, false));
        EXPECT(expected, nrt_tensor_write_batch(&batch, 1, true));
    }
    EXPECT(expected, nrt_get_model_tensor_info(M, (nrt_tensor_info_array_t **)&address));
    EXPECT(expected, nrt_get_model_instance_count(M, &u32));
    EXPECT(expected, nrt_get_model_info(M, (nrt_model_info_t *)bytes, 4, &size));
    EXPECT(expected, nrt_profile_start(M, "p.json"));
    EXPECT(expected, nrta_tensor_write(T, bytes, 0, 8, 0, NULL, &seq));
    EXPECT(expected, nrta_tensor_read(bytes, T, 0, 8, 0, NULL, &seq));
    EXPECT(expected, nrta_tensor_copy(T, 0, T, 0, 8, 0, NULL, &seq));
    EXPECT(expected, nrta_execute_schedule(M, S, S, 0, NULL, &seq));
    EXPECT(expected, nrta_error_tracker_get_list((nrta_error_tracker_t *)h, (const nrta_error_t **)&address, &size));
    EXPECT(expected, nrt_async_sendrecv_test_comm((nrt_async_sendrecv_comm_t *)h, &flag));
    EXPECT(expected, nrt_async_sendrecv_send_tensor(T, 0, 8, (nrt_async_sendrecv_comm_t *)h,
                                                    (nrt_async_sendrecv_request_t **)&address));
    EXPECT(expected, nrt_async_sendrecv_recv_tensor(T, 0, 8, (nrt_async_sendrecv_comm_t *)h,
                                                    (nrt_async_sendrecv_request_t **)&address));
    EXPECT(expected, nrt_async_sendrecv_test_request((nrt_async_sendrecv_request_t *)h, &flag, &size));
    /* Has no result: it must only return. */
    address = h;
    nrt_tensor_free((nrt_tensor_t **)&address);
    TRUE_(address == NULL);
    address = h;
    nrt_destroy_tensor_set(&address);
    TRUE_(address == NULL);
    nrta_error_tracker_destroy((nrta_error_tracker_t *)h);
}

/* Calls that need a live runtime and no handle. All return `expected`; if it is 0, each returns its own result. */
static void without_handle(int expected, bool live) {
    nrt_cc_comm_t comm = {&u32, 0, 2, 0, 1, 0};
    nrt_tensor_list_t list = {NULL, 0};
    nrt_cc_context_t *context = NULL;
    ndebug_stream_event_header_t header;
#define ANSWER(own) (live ? (int)(own) : expected)
    EXPECT(ANSWER(NRT_INVALID), nrt_load(NULL, 8, -1, -1, (nrt_model_t **)&address));
    EXPECT(ANSWER(NRT_INVALID), nrt_load("junk", 4, -1, -1, (nrt_model_t **)&address));
    EXPECT(ANSWER(NRT_INVALID), nrt_load("junk", 4, -1, -1, NULL));
    EXPECT(ANSWER(NRT_FAILURE), nrt_load_collectives("junk", 4, -1, -1, 0, 2, (nrt_model_t **)&address));
    EXPECT(ANSWER(NRT_INVALID), nrt_allocate_tensor_set(NULL));
    EXPECT(ANSWER(NRT_INVALID), nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 99, 8, "x", (nrt_tensor_t **)&address));
    EXPECT(ANSWER(NRT_INVALID), nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 8, "x", NULL));
    EXPECT(ANSWER(NRT_INVALID), nrt_tensor_allocate((nrt_tensor_placement_t)7, 0, 8, "x", (nrt_tensor_t **)&address));
    EXPECT(ANSWER(NRT_RESOURCE),
           nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, (size_t)9 << 30, "x", (nrt_tensor_t **)&address));
    EXPECT(ANSWER(NRT_INVALID), nrt_tensor_allocate_empty("x", NULL));
    EXPECT(ANSWER(NRT_INVALID), nrt_tensor_read_batch(NULL, 1, false));
    EXPECT(ANSWER(NRT_INVALID), nrt_tensor_write_batch(NULL, 1, false));
    EXPECT(ANSWER(NRT_FAILURE), nrt_build_global_comm(0, 0, 2));
    EXPECT(ANSWER(NRT_INVALID), nrt_build_global_comm(0, 1, 1));
    EXPECT(ANSWER(NRT_FAILURE), nrt_cc_global_comm_init(0, 0, 2));
    EXPECT(ANSWER(NRT_FAILURE), nrt_barrier(0, 0, 2));
    EXPECT(ANSWER(NRT_FAILURE), nrt_all_gather(0, 0, 2, 8, bytes, bytes + 8));
    EXPECT(ANSWER(NRT_FAILURE), nrta_cc_prepare(&comm, &list, &list, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLREDUCE, &context));
    EXPECT(ANSWER(NRT_INVALID_HANDLE), nrta_cc_schedule(&context, 0, NULL, &seq));
    EXPECT(ANSWER(NRT_INVALID), nrt_get_dmabuf_fd(0, 8, &number));
    EXPECT(ANSWER(NRT_INVALID), nrt_get_hbm_mmap_va(0, 0, &address, &size));
    size = 64;
    EXPECT(ANSWER(NRT_FAILURE), nrt_get_attached_efa_bdf(bytes, bytes, &size));
    size = 2;
    EXPECT(ANSWER(NRT_RESOURCE), nrt_get_attached_efa_bdf(bytes, bytes, &size));
    EXPECT(ANSWER(NRT_INVALID), nrt_host_device_id_get(99, &u32));
    EXPECT(ANSWER(NRT_INVALID), nrt_host_device_id_rid_map_get(NULL, NULL));
    EXPECT(ANSWER(NRT_INVALID), nrt_get_vnc_memory_stats(99, (nrt_vnc_memory_stats_t *)bytes, 16, &size));
    EXPECT(ANSWER(NRT_INVALID_HANDLE), nrt_free_model_tensor_info((nrt_tensor_info_array_t *)bytes));
    EXPECT(ANSWER(NRT_INVALID), nrt_trace_stop("t.json"));
    EXPECT(ANSWER(NRT_SUCCESS), nrt_trace_start(true));
    EXPECT(ANSWER(NRT_FAILURE), nrt_trace_stop("/dev/null/t.json"));
    EXPECT(ANSWER(NRT_INVALID), nrt_memcpy_to_device(bytes, bytes, 8));
    EXPECT(ANSWER(NRT_SUCCESS), nrt_register_async_exec_callback(NULL, NULL));
    EXPECT(ANSWER(NRT_INVALID), nrt_async_drain_queued_execs(99));
    EXPECT(ANSWER(NRT_INVALID), nrt_profile_stop("p.json"));
    EXPECT(ANSWER(NRT_INVALID), nrt_profile_continuous_stop());
    EXPECT(ANSWER(NRT_INVALID), nrt_profile_continuous_save(0, NULL));
    EXPECT(ANSWER(NRT_SUCCESS), nrt_profile_continuous_start(NULL));
    EXPECT(ANSWER(NRT_INVALID), nrt_inspect_stop());
    EXPECT(ANSWER(NRT_SUCCESS), nrt_inspect_begin());
    EXPECT(ANSWER(NRT_INVALID), nrt_inspect_begin_with_options(NULL));
    EXPECT(ANSWER(NRT_INVALID), nrt_sys_trace_stop());
    EXPECT(ANSWER(NRT_INVALID), nrt_sys_trace_fetch_events(&text, &size, NULL));
    EXPECT(ANSWER(NRT_SUCCESS), nrt_sys_trace_start(NULL));
    EXPECT(ANSWER(NRT_INVALID), nrt_debug_client_connect(99, &number));
    EXPECT(ANSWER(NRT_INVALID), nrt_debug_client_read_one_event(-1, &header, &address));
    EXPECT(ANSWER(NRT_INVALID), nrta_is_completed(0, &flag));
    EXPECT(ANSWER(NRT_INVALID), nrta_is_completed(~(nrta_seq_t)0, &flag));
    EXPECT(ANSWER(NRT_INVALID), nrta_get_sequence(0, NRTA_XU_TYPE_NUM, 0, &seq));
    EXPECT(ANSWER(NRT_INVALID), nrta_get_sequence(0, NRTA_XU_COMPUTE, 1, &seq));
    EXPECT(ANSWER(NRT_INVALID), nrta_get_completion_handle(0, &number));
    EXPECT(ANSWER(NRT_INVALID), nrta_error_tracker_create(99, (nrta_error_tracker_t **)&address));
    EXPECT(ANSWER(NRT_INVALID), nrt_async_sendrecv_get_max_num_communicators_per_lnc(NULL));
    EXPECT(ANSWER(NRT_INVALID), nrt_async_sendrecv_get_max_num_pending_request(NULL));
    EXPECT(ANSWER(NRT_INVALID), nrt_async_sendrecv_init(99));
    EXPECT(ANSWER(NRT_INVALID), nrt_async_sendrecv_close(99));
    EXPECT(ANSWER(NRT_INVALID), nrt_async_sendrecv_flush(99));
    EXPECT(ANSWER(NRT_INVALID), nrt_async_sendrecv_connect("x", 0, 0, (nrt_async_sendrecv_comm_t **)&address));
    EXPECT(ANSWER(NRT_FAILURE), nrt_async_sendrecv_accept("10.0.0.1", 0, 0, (nrt_async_sendrecv_comm_t **)&address));
}

/* Allowed at any time, because they use only host memory or facts about the instance. */
static void at_any_time(void) {
    nrt_inspect_config_t *inspect = NULL;
    nrt_sys_trace_config_t *trace = NULL;
    nrt_sys_trace_fetch_options_t *fetch = NULL;
    nrt_profile_continuous_options_t *continuous = NULL;
    nrt_instance_info_t info;
    nrt_version_t version;
    memset(&info, 0xAA, sizeof info);
    EXPECT(0, nrt_get_instance_info(&info, 8));
    TRUE_(info.family == NRT_INSTANCE_INF1 && info.size == NRT_INSTANCE_SIZE_6XL && info.arch_name[0] == (char)0xAA);
    EXPECT(0, nrt_get_instance_info(&info, sizeof info));
    TRUE_(info.arch_name[0] == 'I');
    EXPECT(NRT_INVALID, nrt_get_instance_info(NULL, 8));
    EXPECT(0, nrt_get_version(&version, sizeof version));
    TRUE_(version.rt_major == NRT_MAJOR_VERSION && version.rt_detail[0]);
    EXPECT(NRT_INVALID, nrt_get_version(NULL, 8));
    EXPECT(0, nrt_get_total_nc_count(&u32));
    EXPECT(16, u32);
    EXPECT(0, nrt_get_total_vnc_count(&u32));
    EXPECT(16, u32);
    EXPECT(0, nrt_get_visible_nc_count(&u32));
    EXPECT(4, u32);
    EXPECT(0, nrt_get_visible_vnc_count(&u32));
    EXPECT(4, u32);
    EXPECT(NRT_INVALID, nrt_get_visible_vnc_count(NULL));
    TRUE_(strcmp(nrt_get_status_as_str(NRT_RESOURCE), "NRT_RESOURCE") == 0);
    TRUE_(strcmp(nrt_get_status_as_str(NRT_NETWORK_PROXY_FAILURE), "NRT_NETWORK_PROXY_FAILURE") == 0);
    TRUE_(nrt_get_status_as_str((NRT_STATUS)8) != NULL);
    memset(bytes, 'x', sizeof bytes);
    TRUE_(nrt_get_libnccl_net(&number, bytes, 8) == NULL && number != 0 && strlen(bytes) == 7);
    TRUE_(nrt_get_libnccl_net(NULL, NULL, 0) == NULL);

    EXPECT(NRT_INVALID, nrt_inspect_config_allocate(NULL));
    EXPECT(0, nrt_inspect_config_allocate(&inspect));
    EXPECT(0, nrt_inspect_config_set_defaults(inspect));
    EXPECT(0, nrt_inspect_config_set_session_id(inspect, 3));
    EXPECT(0, nrt_inspect_config_set_output_dir(inspect, "out"));
    EXPECT(NRT_INVALID, nrt_inspect_config_set_output_dir(inspect, NULL));
    EXPECT(0, nrt_inspect_config_set_sys_trace_max_events_per_nc(inspect, 10));
    EXPECT(0, nrt_inspect_config_set_capture_enabled_for_nc(inspect, 0, true));
    EXPECT(NRT_INVALID, nrt_inspect_config_set_capture_enabled_for_event_type_string(inspect, "no such", true));
    EXPECT(0, nrt_inspect_config_set_capture_enabled_for_event_type_string(inspect, "nrt_execute", true));
    EXPECT(0, nrt_inspect_config_set_enable_inspect(inspect, true));
    EXPECT(0, nrt_inspect_config_set_enable_inspect_on_fail(inspect, false));
    EXPECT(NRT_INVALID, nrt_inspect_config_set_activity(inspect, "no such", true));
    EXPECT(0, nrt_inspect_config_set_activity(inspect, "all", true));
    EXPECT(0, nrt_inspect_config_get_all_activity_types(&texts, &size));
    EXPECT(5, size);
    TRUE_(strcmp(texts[0], "system_profile") == 0);
    nrt_inspect_config_free_activity_types(texts, size);
    nrt_inspect_config_free_activity_types(NULL, 0);
    EXPECT(0, nrt_inspect_config_get_enabled_activity_types(inspect, &texts, &size));
    EXPECT(4, size);
    nrt_inspect_config_free_activity_types(texts, size);
    EXPECT(0, nrt_inspect_config_free(inspect));
    EXPECT(NRT_INVALID_HANDLE, nrt_inspect_config_free(inspect));
    EXPECT(NRT_INVALID_HANDLE, nrt_inspect_config_set_defaults(inspect));
    EXPECT(NRT_INVALID_HANDLE, nrt_inspect_config_set_session_id(NULL, 3));

    EXPECT(0, nrt_sys_trace_config_allocate(&trace));
    nrt_sys_trace_config_set_defaults(trace);
    nrt_sys_trace_config_set_max_events_per_nc(trace, 5);
    nrt_sys_trace_config_set_capture_enabled_for_nc(trace, 1, false);
    EXPECT(0, nrt_sys_trace_config_set_capture_enabled_for_event_type(trace, "nrt_load", false));
    EXPECT(NRT_INVALID, nrt_sys_trace_config_set_capture_enabled_for_event_type(trace, "no such", false));
    EXPECT(0, nrt_sys_trace_get_event_types(&texts, &size));
    {
        size_t all = size;
        nrt_sys_trace_free_event_types(texts, size);
        EXPECT(0, nrt_sys_trace_config_get_enabled_event_types(trace, &texts, &size));
        EXPECT(all - 1, size);
        nrt_sys_trace_free_event_types(texts, size);
        nrt_sys_trace_free_event_types((const char **)bytes, 1);
    }
    nrt_sys_trace_config_free(trace);
    nrt_sys_trace_config_free(trace);
    nrt_sys_trace_config_set_defaults(trace);
    EXPECT(0, nrt_sys_trace_fetch_options_allocate(&fetch));
    nrt_sys_trace_fetch_options_set_defaults(fetch);
    nrt_sys_trace_fetch_options_set_max_events_per_nc(fetch, 1);
    nrt_sys_trace_fetch_options_set_nc_idx(fetch, 1);
    nrt_sys_trace_fetch_options_free(fetch);
    nrt_sys_trace_fetch_options_free(NULL);
    nrt_sys_trace_buffer_free(NULL);
    nrt_sys_trace_buffer_free(bytes);
    EXPECT(0, nrt_profile_continuous_options_allocate(&continuous));
    EXPECT(0, nrt_profile_continuous_options_set_output_dir(continuous, "out"));
    EXPECT(0, nrt_profile_continuous_options_free(continuous));
    EXPECT(NRT_INVALID_HANDLE, nrt_profile_continuous_options_free(continuous));
    nrt_debug_client_connect_close(-1);
    nrt_debug_client_connect_close(0);
}

/* Sizes and offsets that no memory has: of the buffer, beyond the tensor, and so large that a sum overflows. */
static void with_impossible_sizes(size_t huge) {
    nrt_tensor_t *tensor = NULL, *other = NULL;
    nrt_tensor_batch_op_t op = {0, huge, bytes}, beyond = {huge, 8, bytes};
    nrt_tensor_batch_t batch = {NULL, &op, 1};
    EXPECT(NRT_INVALID, nrt_load(bytes, huge, -1, -1, (nrt_model_t **)&address));
    EXPECT(NRT_INVALID, nrt_load_collectives(bytes, huge, -1, -1, 0, 1, (nrt_model_t **)&address));
    EXPECT(NRT_RESOURCE, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, huge, "x", &tensor));
    EXPECT(NRT_RESOURCE, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_HOST, 0, huge, "x", &tensor));
    EXPECT(NRT_RESOURCE, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_VIRTUAL, 0, huge, "x", &tensor));
    EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 64, "x", &tensor));
    EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_VIRTUAL, 0, 64, "y", &other));
    EXPECT(NRT_INVALID, nrt_tensor_write(tensor, bytes, 0, huge));
    EXPECT(NRT_INVALID, nrt_tensor_write(tensor, bytes, huge, 8));
    EXPECT(NRT_INVALID, nrt_tensor_read(tensor, bytes, 0, huge));
    EXPECT(NRT_INVALID, nrt_tensor_read(tensor, bytes, huge, 8));
    EXPECT(NRT_INVALID, nrt_tensor_read(tensor, bytes, huge, 0));
    EXPECT(NRT_INVALID, nrt_tensor_copy(tensor, 0, other, 0, huge));
    EXPECT(NRT_INVALID, nrt_tensor_copy(tensor, huge, other, 0, 8));
    EXPECT(NRT_INVALID, nrt_tensor_copy(tensor, 0, other, huge, 8));
    EXPECT(NRT_INVALID, nrt_tensor_memset(tensor, 0, 1, huge));
    EXPECT(NRT_INVALID, nrt_tensor_memset(tensor, huge, 1, 8));
    EXPECT(NRT_INVALID, nrt_tensor_attach_buffer(other, bytes, huge));
    EXPECT(NRT_INVALID, nrt_tensor_allocate_slice(tensor, 0, huge, "s", (nrt_tensor_t **)&address));
    EXPECT(NRT_INVALID, nrt_tensor_allocate_slice(tensor, huge, 8, "s", (nrt_tensor_t **)&address));
    batch.tensor = tensor;
    EXPECT(NRT_INVALID, nrt_tensor_read_batch(&batch, 1, false));
    EXPECT(NRT_INVALID, nrt_tensor_write_batch(&batch, 1, false));
    batch.ops = &beyond;
    EXPECT(NRT_INVALID, nrt_tensor_read_batch(&batch, 1, false));
    EXPECT(NRT_INVALID, nrt_tensor_write_batch(&batch, 1, false));
    EXPECT(NRT_INVALID, nrt_memcpy_to_device(nrt_tensor_get_va(tensor), bytes, huge));
    EXPECT(NRT_INVALID, nrta_tensor_write(tensor, bytes, 0, huge, 0, NULL, &seq));
    EXPECT(NRT_INVALID, nrta_tensor_write(tensor, bytes, huge, 8, 0, NULL, &seq));
    EXPECT(NRT_INVALID, nrta_tensor_read(bytes, tensor, 0, huge, 0, NULL, &seq));
    EXPECT(NRT_INVALID, nrta_tensor_read(bytes, tensor, huge, 8, 0, NULL, &seq));
    EXPECT(NRT_INVALID, nrta_tensor_copy(tensor, 0, other, 0, huge, 0, NULL, &seq));
    EXPECT(NRT_INVALID, nrta_tensor_copy(tensor, huge, other, 0, 8, 0, NULL, &seq));
    EXPECT(NRT_INVALID, nrta_tensor_copy(tensor, 0, other, huge, 8, 0, NULL, &seq));
    EXPECT(0, nrt_get_vnc_memory_stats(0, (nrt_vnc_memory_stats_t *)bytes, huge, &size));
    EXPECT(sizeof(nrt_vnc_memory_stats_t), size);
    EXPECT(64, nrt_tensor_get_size(tensor));
    nrt_tensor_free(&tensor);
    nrt_tensor_free(&other);
}

int main(void) {
    nrt_tensor_set_t *set = NULL, *freed;
    nrt_ucode_info ucode = {{NULL, 0}, {NULL, 0}};
    at_any_time();
    EXPECT(0, nrt_set_pool_eng_ucode(&ucode));
    with_handle(NULL, NRT_UNINITIALIZED);
    with_handle(bytes, NRT_UNINITIALIZED);
    without_handle(NRT_UNINITIALIZED, false);
    nrt_close();

    EXPECT(NRT_INVALID, nrt_init((nrt_framework_type_t)99, "", ""));
    EXPECT(0, nrt_init(NRT_FRAMEWORK_TYPE_PYTORCH, "1.13", "2.0"));
    EXPECT(0, nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, NULL, NULL));
    EXPECT(NRT_INVALID, nrt_set_pool_eng_ucode(&ucode));
    at_any_time();
    with_handle(NULL, NRT_INVALID_HANDLE);
    with_handle(bytes, NRT_INVALID_HANDLE);
    with_handle((void *)~(uintptr_t)0, NRT_INVALID_HANDLE);
    EXPECT(0, nrt_allocate_tensor_set(&set));
    freed = set;
    EXPECT(NRT_INVALID_HANDLE, nrt_tensor_write((nrt_tensor_t *)set, bytes, 0, 8));
    EXPECT(NRT_INVALID_HANDLE, nrt_unload((nrt_model_t *)set));
    nrt_destroy_tensor_set(&set);
    with_handle(freed, NRT_INVALID_HANDLE);
    without_handle(0, true);
    with_impossible_sizes(SIZE_MAX);
    with_impossible_sizes((size_t)1 << 63);

    nrt_close();
    nrt_close();
    at_any_time();
    with_handle(NULL, NRT_CLOSED);
    with_handle(freed, NRT_CLOSED);
    without_handle(NRT_CLOSED, false);
    EXPECT(0, nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""));
    with_handle(freed, NRT_INVALID_HANDLE);
    puts("DONE");
    return 0;
}
