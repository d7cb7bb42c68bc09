"""The wire format equals the published one: every message, field, number, type and call."""

import re

import pytest
from google.protobuf.descriptor import FieldDescriptor

from runtime_core.rtd.proto import common_pb2, nmgr_counters_pb2, nmgr_pb2, nmgr_service_pb2

# message: its fields as "type name=number"; "|" marks fields of a oneof, "*" marks lists.
MESSAGES = """
address: uint64 data=1
return_code: int32 data=1
status: int32 code=1, bytes details=2
version: string full_version=1, uint32 major_num=2, uint32 minor_num=3
u32: uint32 data=1
empty:
h_model: uint32 id=1
h_nn: uint32 id=1
h_eg: uint32 id=1
model_params: u32 timeout=1, u32 ninfer=2, u32 enable_tracing=3, u32 io_data_host=4, u32 fmap_in_huge_tlb=5, u32 enable_node_profiling=6
file_chunk: bytes chunk=1
shared_mem_buf: string path=1
infer_io: |bytes buf=1, |shared_mem_buf buf_shm=2, string name=3
load_request: |h_eg h_eg=1, |model_params model_params=2, |uint64 neff_size=3, |file_chunk neff_chunk=4, |string neff_file=5, |uint64 session_id=6
load_response: status status=1, h_nn h_nn=2
unload_request: h_nn h_nn=1
unload_response: status status=1
start_request: h_nn h_nn=1
start_response: status status=1
stop_request: h_nn h_nn=1
stop_response: status status=1
infer_request: h_nn h_nn=1, *infer_io ifmap=2, *infer_io shm_ofmap=3, uint32 loop_end_value=4
infer_wait_request: uint64 cookie=1, *infer_io shm_ofmap=2
infer_response: status status=1, *infer_io ofmap=3
infer_post_response: status status=1, uint64 cookie=2
infer_check_completion_request: *uint64 cookie=1
infer_check_completion_response: status status=1, *uint64 cookie=2
create_eg_request: uint32 nc_count=1, uint64 session_id=2
create_eg_response: status status=1, h_eg h_eg=2, uint32 nc_count=3
destroy_eg_request: h_eg h_eg=1
destroy_eg_response: status status=1
eg_info: h_eg eg=1, uint32 vnc_start_index=2, uint32 nc_count=3, uint32 mla_start_index=4, uint32 nc_start_index=5
out_list_egs: *eg_info eg_info=1, uint32 mla_count=2, uint32 nc_count=3, status status=4
hugetlb_shm: string path=1, uint32 size=2
shm_map_request: |string path=1, |hugetlb_shm path_hugetlb=3, uint32 mmap_prot=2, uint64 session_id=4
shm_map_response: status status=1
shm_unmap_request: string path=1, uint32 mmap_prot=2
shm_unmap_response: status status=1
nc_counters: uint32 virtual_nc_id=1, uint64 pe_num_idle_cycles=2, uint64 pe_num_wait_event_cycles=3, uint64 pe_matmul_num_wait_event_cycles=4, uint64 pe_num_executed_instr=5, uint64 pe_matmul_num_executed_instr=6, uint64 pool_num_idle_cycles=7, uint64 pool_num_wait_event_cycles=8, uint64 pool_num_executed_instr=9, uint64 act_num_idle_cycles=10, uint64 act_num_wait_event_cycles=11, uint64 act_num_executed_instr=12, uint64 sb_rmw_count=13, uint64 macs_count=14
infer_error_subtype_count: infer_error_subtype error_subtype=1, uint32 count=2
infer_status_counts: infer_status infer_status=1, uint32 count=2
nmgr_counters: *infer_error_subtype_count infer_error_subtype_count=1, *infer_status_counts infer_status_counts=2, uint64 infer_queue_drop_count=3, uint64 infer_count=4, uint64 model_start_count=5, uint64 model_stop_count=6, uint64 model_load_count=7, uint64 model_unload_count=8, uint64 neff_version_max_major=9, uint64 neff_version_max_minor=10, uint64 neff_version_min_major=11, uint64 neff_version_min_minor=12, uint64 neff_size_bytes_max=13, uint64 neff_num_ncs_max=14
memory_counters: uint32 infa_id=1, uint64 mem_used_host=2, uint64 mem_used_infa_0=3, uint64 mem_used_infa_1=4
system_counters: uint64 num_logs_error=1, uint64 num_logs_warning=2, *memory_counters memory_counters=3
aggregate: double min=1, double max=2, double count=3, double sum=4, *double values=5, *uint32 counts=6
metric_data: uint64 ts_nanos_since_epoch=1, |double value_double=2, |aggregate value_agg=3
metric: metric_type metric_type=2, *metric_data data=3, bool overflow=4
read_all_metrics_request: uint32 summarize_period=1
read_all_metrics_response: *metric nmgr_metrics=1, status status=2
read_nc_counters_request: uint32 vnc_id=1
read_nc_counters_response: nc_counters nc_counters=1, status status=2
read_inference_counters_response: nmgr_counters nmgr_counters=1
read_all_counters_request:
read_all_counters_response: *nc_counters nc_counters=2, nmgr_counters nmgr_counters=4, system_counters system_counters=5, status status=6
hw_counters: string bdf=1, uint32 device_index=2, uint32 mem_ecc_corr=3, uint32 mem_ecc_uncorr=4, uint32 sram_ecc_corr=5, uint32 sram_ecc_uncorr=6, uint32 transfer_adjustment_cnt=7
get_hw_counters_request: |string bdf=1, |uint32 device_id=2
get_hw_counters_response: hw_counters counters=1, status status=2
get_all_hw_counters_response: *hw_counters counters=1, status status=2
random_seed_request: h_eg h_eg=1, uint32 seed=2
random_seed_response: status status=1
get_version_request: string framework_name=1, version framework_version=2, version fal_version=3
get_version_response: version runtime_version=1
nc_time_in_use: uint32 virtual_nc_id=1, uint64 time_in_use=2
read_nc_time_in_use_request: uint32 vnc_id=1
read_nc_time_in_use_response: nc_time_in_use nc_time_in_use=1, status status=2
set_static_transfer_adjustment_request: uint32 transfer_adjust_cnt=1
set_static_transfer_adjustment_response: status status=1
session_monitor_request: string framework_name=1, version framework_version=2, version fal_version=3
session_monitor_response: uint64 session_id=1, version runtime_version=2
"""  # noqa: E501 - a line a message

ENUMS = {
    "infer_error_subtype": ("INFER_ERROR_SUBTYPE_", "NONE=0 NUMERICAL=1 MODEL=2 TRANSIENT=3 HW_ERROR=4 RT=5"),
    "infer_status": (
        "IST_",
        "OK=0 COMPLETED_WITH_NUM_ERR=1 COMPLETED_WITH_ERR=2 BAD_INPUT=3 TIMEOUT=4 UNKNOWN=15",
    ),
    "metric_type": (
        "NMGR_METRIC_",
        "INFER_LATENCY=0 INFER_ON_INFA_LATENCY=1 MODEL_START_LATENCY=2 MODEL_STOP_LATENCY=3 MODEL_LOAD_LATENCY=4 "
        "MODEL_UNLOAD_LATENCY=5 MODEL_SIZE=6 MODEL_NUM_NC=7 MODEL_MAJOR_VERSION=8 INFER_ON_INFA_CYCLESx1k=9 NUM=10",
    ),
}

# call: request -> response; "*" marks streams.
CALLS = {
    "nmgr_v1": """
load: *load_request -> load_response
unload: unload_request -> unload_response
start: start_request -> start_response
stop: stop_request -> stop_response
infer: infer_request -> infer_response
infer_post: infer_request -> infer_post_response
infer_wait: infer_wait_request -> infer_response
infer_poll: infer_wait_request -> infer_response
infer_check_completion: infer_check_completion_request -> infer_check_completion_response
create_eg: create_eg_request -> create_eg_response
destroy_eg: destroy_eg_request -> destroy_eg_response
list_egs: empty -> out_list_egs
read_nc_counters: read_nc_counters_request -> read_nc_counters_response
read_nc_time_in_use: read_nc_time_in_use_request -> read_nc_time_in_use_response
read_inference_counters: empty -> read_inference_counters_response
read_all_counters: read_all_counters_request -> read_all_counters_response
read_all_metrics: read_all_metrics_request -> read_all_metrics_response
shm_map: shm_map_request -> shm_map_response
shm_unmap: shm_unmap_request -> shm_unmap_response
get_hw_counters: get_hw_counters_request -> get_hw_counters_response
get_all_hw_counters: empty -> get_all_hw_counters_response
unload_all: empty -> status
random_seed: random_seed_request -> random_seed_response
get_version: get_version_request -> get_version_response
set_static_transfer_adjustment: set_static_transfer_adjustment_request -> set_static_transfer_adjustment_response
""",
    "nmgr_session_manager": "session_monitor: *session_monitor_request -> *session_monitor_response",
    "nmgr_stream": "infer_stream: *infer_request -> *infer_response",
}

FILES = (common_pb2, nmgr_pb2, nmgr_counters_pb2)
TYPES = {
    getattr(FieldDescriptor, f"TYPE_{name.upper()}"): name
    for name in ("uint64", "uint32", "int32", "bytes", "string", "bool", "double")
}


def told(field):
    """A field in the form of the table above."""
    named = field.message_type or field.enum_type
    assert named is None or named.full_name == f"nrt.{named.name}"
    sign = "*" if field.is_repeated else "|" if field.containing_oneof else ""
    return f"{sign}{named.name if named else TYPES[field.type]} {field.name}={field.number}"


LINES = dict(re.fullmatch(r"(\w+): ?(.*)", line).groups() for line in MESSAGES.strip().splitlines())


@pytest.mark.parametrize("name", LINES)
def test_a_message(name):
    (descriptor,) = (
        f.DESCRIPTOR.message_types_by_name[name] for f in FILES if name in f.DESCRIPTOR.message_types_by_name
    )
    assert sorted(map(told, descriptor.fields)) == sorted(filter(None, LINES[name].split(", ")))
    assert descriptor.full_name == f"nrt.{name}"


def test_there_are_no_other_messages():
    assert {name for f in FILES for name in f.DESCRIPTOR.message_types_by_name} == set(LINES)


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum(name):
    prefix, values = ENUMS[name]
    found = nmgr_counters_pb2.DESCRIPTOR.enum_types_by_name[name]
    assert {f"{v.name}={v.number}" for v in found.values} == {f"{prefix}{value}" for value in values.split()}


@pytest.mark.parametrize("service", CALLS)
def test_a_service(service):
    found = nmgr_service_pb2.DESCRIPTOR.services_by_name[service]
    assert found.full_name == f"nrt.{service}"
    lines = [
        f"{m.name}: {'*' * m.client_streaming}{m.input_type.name} -> {'*' * m.server_streaming}{m.output_type.name}"
        for m in found.methods
    ]
    assert lines == CALLS[service].strip().splitlines()
