"""Kernels by family, and their table."""

import pytest

from stratsim_profiler.device.kernel_table import family, profile_kernels, tabulate


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sm90_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize128x128x64", "matrix-product"),
        ("nvjet_hsh_128x256_64x4_1x2_h_bz_coopA_TNT", "matrix-product"),
        ("cudnn::cnn::conv2d_grouped_direct_kernel", "convolution"),
        ("sm80_xmma_fprop_implicit_gemm_f16f16_f16f32", "convolution"),
        ("void at::native::vectorized_elementwise_kernel<4, at::native::add>", "elementwise"),
        ("pytorch_flash::flash_fwd_kernel", "attention"),
        ("void cudnn::bn_fw_inf_1C11_kernel_NCHW", "normalization"),
        ("void at::native::max_pool_forward_nchw", "pool"),
        ("Memcpy DtoD (Device -> Device)", "copy"),
        ("aten::mkldnn_convolution", "convolution"),
        ("aten::addmm", "matrix-product"),
        ("void at::native::reduce_kernel<512, 1>", "reduction"),
        ("something_else", "other"),
    ],
)
def test_families(name, expected):
    assert family(name) == expected


def test_the_table_is_of_one_iteration():
    kernels = [("gemm_a", 0.002), ("gemm_b", 0.004), ("relu", 0.001)] * 5
    table = tabulate(kernels, iterations=5)
    assert table.count == 3
    assert table.mean_s == pytest.approx(0.007 / 3)
    assert table.max_s == 0.004
    assert table.total_s == pytest.approx(0.007)
    assert [(phase.name, phase.count) for phase in table.phases] == [("matrix-product", 2), ("elementwise", 1)]
    assert sum(phase.seconds for phase in table.phases) == pytest.approx(table.total_s)


def test_a_slow_first_iteration_does_not_count():
    table = tabulate([("gemm", 9.0), ("relu", 9.0)] + [("gemm", 0.002), ("relu", 0.001)] * 2, iterations=3)
    assert (table.max_s, table.total_s) == (0.002, pytest.approx(0.003))


def test_iterations_that_differ_are_not_mixed():
    table = tabulate([("gemm", 9.0), ("gemm", 0.002), ("relu", 0.001), ("gemm", 0.002), ("relu", 0.001)], iterations=2)
    assert (table.count, table.max_s) == (2, 0.002)


def test_no_kernels_make_an_empty_table():
    assert tabulate([], 3).count == 0


def test_torch_profiler_is_read():
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")
    a = torch.ones(64, 64)

    def run():
        torch.relu(a @ a)

    run()
    table = profile_kernels(run, 4, cuda=False)
    names = {phase.name: phase.count for phase in table.phases}
    assert names["elementwise"] >= 1
    assert names["matrix-product"] >= 1
    assert 0 < table.mean_s <= table.max_s <= table.total_s
