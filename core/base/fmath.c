/* The double functions, the loops over arrays and the table of the logarithm. */
#include "core/base/fmath.h"

#include <math.h>

void fm_exp_f32(float *out, const float *in, size_t n)
{
    FM_EACH_ALONE
    for (size_t i = 0; i < n; i++) {
        out[i] = fm_expf(in[i]);
    }
}

void fm_log_f32(float *out, const float *in, size_t n)
{
    FM_EACH_ALONE
    for (size_t i = 0; i < n; i++) {
        out[i] = fm_logf(in[i]);
    }
}

void fm_tanh_f32(float *out, const float *in, size_t n)
{
    FM_EACH_ALONE
    for (size_t i = 0; i < n; i++) {
        out[i] = fm_tanhf(in[i]);
    }
}

/* 2^n, -1022 <= n <= 1023: the exponent field of a double is n + 1023, the other bits are 0. */
static double pow2_f64(int64_t n)
{
    return fm_from_bits_f64_((uint64_t)(n + 1023) << 52);
}

/* exp(r) - 1 - r for |r| <= 0.347: the Taylor series to r^13, rest below 2^-57. The terms are
 * paired (Estrin), so that the additions do not form one long chain; the order is fixed by the
 * parentheses. */
static double exp_tail(double r)
{
    double r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
    double a =
        (0.5 + r * 0x1.5555555555555p-3) + r2 * (0x1.5555555555555p-5 + r * 0x1.1111111111111p-7);
    double b = (0x1.6c16c16c16c17p-10 + r * 0x1.a01a01a01a01ap-13) +
               r2 * (0x1.a01a01a01a01ap-16 + r * 0x1.71de3a556c734p-19);
    double c = (0x1.27e4fb7789f5cp-22 + r * 0x1.ae64567f544e4p-26) +
               r2 * (0x1.1eed8eff8d898p-29 + r * 0x1.6124613a86d09p-33);
    return r2 * ((a + r4 * b) + r8 * c);
}

/* exp(x) = 2^n exp(r + r_lo) with x = n log 2 + r + r_lo.
 *
 * Adding 1.5 x 2^52 rounds x / log 2 to an integer, which then stands in the low bits of t: n is
 * the difference of the bit patterns. The upper part of log 2 has 32 bits, so n times it is exact,
 * and so is the subtraction, since both numbers are close. r_lo is what the second subtraction
 * lost.
 *
 * exp(r + r_lo) = 1 + r + tail + r_lo: s = 1 + r is rounded, (1 - s) + r is what it lost, and the
 * small terms are added to that before they meet s. 2^n is applied in two halves, so that neither
 * leaves the range of exponents; a result that is denormal is rounded by the last product only. */
double fm_exp(double x)
{
    const double magic = 0x1.8p52;
    x = x > 710.0 ? 710.0 : x; /* overflows; a NaN passes both lines */
    x = x < -746.0 ? -746.0 : x;
    double t = x * 0x1.71547652b82fep0 + magic;
    double nd = t - magic;
    int64_t n = (int64_t)(fm_bits_f64_(t) - fm_bits_f64_(magic));
    double hi = x - nd * 0x1.62e42feep-1;
    double sub = nd * 0x1.a39ef35793c76p-33;
    double r = hi - sub;
    double r_lo = (hi - r) - sub;
    double s = 1.0 + r;
    double y = s + (((1.0 - s) + r) + (exp_tail(r) + r_lo));
    if (!(x == x)) {
        return x; /* n is meaningless */
    }
    return (y * pow2_f64(n >> 1)) * pow2_f64(n - (n >> 1));
}

double fm_pow(double x, double y)
{
    /* x^y = exp(y log x). x = 0: log gives -inf, and exp of -inf or inf is 0 or inf. */
    return y == 0.0 ? 1.0 : fm_exp(y * fm_log(x));
}

double fm_log_special_(double x)
{
    const double inf = (double)INFINITY;
    if (x == 0.0) {
        return -inf;
    }
    if (x < 0.0) {
        return inf - inf;
    }
    if (!(x < inf)) {
        return x;
    }
    return fm_log_core_(fm_bits_f64_(x * 0x1p54), -54.0); /* denormal */
}

/* sin(r + lo) and cos(r + lo) for |r| <= pi/4, |lo| <= ulp(r): Taylor, rest below 2^-60. */
static double sin_kernel(double r, double lo)
{
    double z = r * r;
    double s =
        -0x1.5555555555555p-3 +
        z * (0x1.1111111111111p-7 +
             z * (-0x1.a01a01a01a01ap-13 +
                  z * (0x1.71de3a556c734p-19 +
                       z * (-0x1.ae64567f544e4p-26 +
                            z * (0x1.6124613a86d09p-33 +
                                 z * (-0x1.ae7f3e733b81fp-41 + z * 0x1.952c77030ad4ap-49))))));
    return r + ((r * z) * s + lo * (1.0 - 0.5 * z));
}

static double cos_kernel(double r, double lo)
{
    double z = r * r;
    double c = 0x1.5555555555555p-5 +
               z * (-0x1.6c16c16c16c17p-10 +
                    z * (0x1.a01a01a01a01ap-16 +
                         z * (-0x1.27e4fb7789f5cp-22 +
                              z * (0x1.1eed8eff8d898p-29 +
                                   z * (-0x1.93974a8c07c9dp-37 + z * 0x1.ae7f3e733b81fp-45)))));
    /* 1 - z / 2 loses low bits when it is rounded to w. (1 - w) - half is exactly what was lost,
     * and it is added to the small terms. cos(r + lo) = cos r - lo sin r, and r stands for sin r,
     * which suffices in a term of the size of lo. */
    double half = 0.5 * z;
    double w = 1.0 - half;
    return w + (((1.0 - w) - half) + ((z * z) * c - r * lo));
}

/* cos((q pi / 2) + r + lo). Modulo 4, q = 0, 1, 2, 3 gives cos, -sin, -cos, sin: an odd q takes the
 * sine, and the sign is minus for q = 1 and 2, that is where q + 1 has bit 1. */
static double cos_of_quarter(uint32_t q, double r, double lo)
{
    double v = (q & 1u) != 0 ? sin_kernel(r, lo) : cos_kernel(r, lo);
    return ((q + 1u) & 2u) != 0 ? -v : v;
}

/* x = n pi/2 + r + lo. pi/2 in parts of 33, 32 and 53 bits: with n < 2^20 the first two products
 * are exact. The caller has checked |x| <= 2^20. */
static uint32_t quarter_split(double *r, double *lo, double x)
{
    const double magic = 0x1.8p52;
    double t = x * 0x1.45f306dc9c883p-1 + magic;
    double n = t - magic;
    double hi = x - n * 0x1.921fb544p0;
    double sub = n * 0x1.0b4611a6p-34;
    double sum = hi - sub;
    double part = hi - sum; /* what the sum took of sub; either may be the larger one (Knuth) */
    double lost = (hi - (sum + part)) + (part - sub);
    double rest = lost - n * 0x1.3198a2e037073p-69;
    *r = sum + rest;
    *lo = (sum - *r) + rest;
    return (uint32_t)(fm_bits_f64_(t) - fm_bits_f64_(magic));
}

static double cos_shifted(double x, uint32_t quarters)
{
    if (!(fabs(x) <= 0x1p20)) {
        return x - x + (double)NAN; /* a NaN, never a number without precision */
    }
    double r, lo;
    uint32_t q = quarter_split(&r, &lo, x);
    return cos_of_quarter(q + quarters, r, lo);
}

double fm_cos(double x)
{
    return cos_shifted(x, 0);
}

/* sin x = cos(x - pi/2). */
double fm_sin(double x)
{
    return cos_shifted(x, 3);
}

double fm_cos_turn(uint32_t turn)
{
    /* A turn is 2^32, a quarter 2^30. Adding half a quarter and shifting rounds to the nearest
     * quarter; the sum may wrap, which drops a whole turn. rest lies within half a quarter and is
     * exact. */
    uint32_t q = (turn + 0x20000000u) >> 30; /* nearest quarter */
    double rest = (double)(int32_t)(turn - (q << 30));
    return cos_of_quarter(q, rest * 0x1.921fb54442d18p-30, 0.0);
}

/* clang-format off */
const struct fm_log_row fm_log_table[128] = {
    {0x1.7460000000000p+0, -0x1.7fb7a3b581000p-2, -0x1.71a5e46a7e5d1p-44},
    {0x1.7240000000000p+0, -0x1.79db6681b0000p-2, 0x1.4d319161a11f8p-44},
    {0x1.7020000000000p+0, -0x1.73f686ae43000p-2, 0x1.8dd3b60a7a3d9p-46},
    {0x1.6e20000000000p+0, -0x1.6e626e6aaa000p-2, 0x1.a3326a23b743dp-44},
    {0x1.6c20000000000p+0, -0x1.68c6839548000p-2, -0x1.ecab01b342176p-47},
    {0x1.6a20000000000p+0, -0x1.6322b01ee6000p-2, -0x1.bfc1acfb0cffbp-46},
    {0x1.6820000000000p+0, -0x1.5d76dd9a78000p-2, 0x1.cbf6c326244f5p-44},
    {0x1.6620000000000p+0, -0x1.57c2f53b05000p-2, -0x1.0494c017c2a52p-45},
    {0x1.6420000000000p+0, -0x1.5206dfd186000p-2, -0x1.c58cfd28f3cd8p-44},
    {0x1.6240000000000p+0, -0x1.4c9f09e153000p-2, 0x1.e1dde70e02de0p-45},
    {0x1.6060000000000p+0, -0x1.472fdbe4fd000p-2, -0x1.f9364c53f821fp-45},
    {0x1.5e80000000000p+0, -0x1.41b941cce1000p-2, 0x1.0469013e43fc9p-44},
    {0x1.5ca0000000000p+0, -0x1.3c3b2736b4000p-2, 0x1.3e5d1e9d3ddf9p-47},
    {0x1.5ac0000000000p+0, -0x1.36b5776bc1000p-2, -0x1.169785a9c223fp-46},
    {0x1.58e0000000000p+0, -0x1.31281d5f11000p-2, 0x1.6e10e6a8b7abcp-48},
    {0x1.5720000000000p+0, -0x1.2bf287cc41000p-2, -0x1.b0f4f549d8ecfp-45},
    {0x1.5560000000000p+0, -0x1.26b6209350000p-2, -0x1.8f08bb3f17379p-44},
    {0x1.53a0000000000p+0, -0x1.2172d5c2ac000p-2, 0x1.115594223fc70p-44},
    {0x1.51e0000000000p+0, -0x1.1c2895218f000p-2, -0x1.5ff09640395a7p-45},
    {0x1.5020000000000p+0, -0x1.16d74c2e8b000p-2, 0x1.cd0784d2e5077p-45},
    {0x1.4e60000000000p+0, -0x1.117ee81dfe000p-2, -0x1.30f778a2e8cbdp-44},
    {0x1.4ca0000000000p+0, -0x1.0c1f55d88b000p-2, 0x1.d7d9ef6c0426bp-44},
    {0x1.4b00000000000p+0, -0x1.071b85fcd6000p-2, 0x1.bcb8ba3e01a11p-44},
    {0x1.4960000000000p+0, -0x1.021164a929000p-2, -0x1.ba287f3b5dd98p-47},
    {0x1.47a0000000000p+0, -0x1.f939c4e72e000p-3, 0x1.4c5fc35fe2798p-44},
    {0x1.4600000000000p+0, -0x1.ef0adcbdc6000p-3, 0x1.b26b79c86af24p-45},
    {0x1.4460000000000p+0, -0x1.e4ceeda61e000p-3, 0x1.2ccbe398170f7p-46},
    {0x1.42e0000000000p+0, -0x1.db50da24be000p-3, 0x1.9bcb7d201aba8p-44},
    {0x1.4140000000000p+0, -0x1.d0fb7f2256000p-3, 0x1.af52b20633b29p-47},
    {0x1.3fc0000000000p+0, -0x1.c765b9e4d6000p-3, -0x1.1ab6b36976f6cp-44},
    {0x1.3e20000000000p+0, -0x1.bcf6736f7e000p-3, 0x1.271e894f591e4p-44},
    {0x1.3ca0000000000p+0, -0x1.b34885022e000p-3, -0x1.03ba859924374p-44},
    {0x1.3b20000000000p+0, -0x1.a98ed238b8000p-3, -0x1.126ffb47b9ac0p-48},
    {0x1.39a0000000000p+0, -0x1.9fc93e540a000p-3, 0x1.e78b994e84c43p-46},
    {0x1.3820000000000p+0, -0x1.95f7ac2b3c000p-3, 0x1.615d77a1ffe43p-44},
    {0x1.36a0000000000p+0, -0x1.8c19fe2982000p-3, -0x1.5e01e0d7c912bp-49},
    {0x1.3520000000000p+0, -0x1.8230164c1a000p-3, -0x1.98dd68a5d0b48p-46},
    {0x1.33a0000000000p+0, -0x1.7839d62024000p-3, 0x1.55cc584009f24p-44},
    {0x1.3240000000000p+0, -0x1.6f0d28ae56000p-3, -0x1.69737c93373dap-44},
    {0x1.30e0000000000p+0, -0x1.65d5e99cc4000p-3, 0x1.dc4348e559bc8p-46},
    {0x1.2f60000000000p+0, -0x1.5bbc05f140000p-3, -0x1.21892c55da347p-45},
    {0x1.2e00000000000p+0, -0x1.526e5e3a1c000p-3, 0x1.790ba37fc5238p-44},
    {0x1.2ca0000000000p+0, -0x1.4915d832fc000p-3, 0x1.53cee006bcf62p-44},
    {0x1.2b40000000000p+0, -0x1.3fb25a5952000p-3, -0x1.195be6b358ff7p-44},
    {0x1.29e0000000000p+0, -0x1.3643cad058000p-3, -0x1.1e18f2132dfd5p-44},
    {0x1.2880000000000p+0, -0x1.2cca0f5f60000p-3, 0x1.b5ef191aff120p-44},
    {0x1.2740000000000p+0, -0x1.2423113ba6000p-3, 0x1.e3a0078ee9d9cp-44},
    {0x1.25e0000000000p+0, -0x1.1a93b7d430000p-3, 0x1.3debbf4ec55f3p-44},
    {0x1.24a0000000000p+0, -0x1.11d8e5e290000p-3, -0x1.1c6fa52eaa55bp-45},
    {0x1.2340000000000p+0, -0x1.08338affa2000p-3, -0x1.0533cac823e27p-44},
    {0x1.2200000000000p+0, -0x1.fec9131dc0000p-4, 0x1.54555d1ae6607p-44},
    {0x1.20c0000000000p+0, -0x1.ed1794e838000p-4, 0x1.fd143749d0484p-46},
    {0x1.1f80000000000p+0, -0x1.db5270187c000p-4, -0x1.9277856ae181fp-44},
    {0x1.1e20000000000p+0, -0x1.c7af7a8474000p-4, 0x1.289ae375f8578p-44},
    {0x1.1d00000000000p+0, -0x1.b78c82bb10000p-4, 0x1.25ef7bc3987e7p-44},
    {0x1.1bc0000000000p+0, -0x1.a58b60c2b4000p-4, 0x1.cdc735c5c9f2ap-44},
    {0x1.1a80000000000p+0, -0x1.9375e55594000p-4, -0x1.eddc37380c364p-44},
    {0x1.1940000000000p+0, -0x1.814be23f8c000p-4, -0x1.b2381da82fdfdp-51},
    {0x1.1820000000000p+0, -0x1.70e12b325c000p-4, -0x1.0530d95714cd1p-45},
    {0x1.16e0000000000p+0, -0x1.5e8fa4d858000p-4, -0x1.1c6fce08d7110p-44},
    {0x1.15c0000000000p+0, -0x1.4e01108a34000p-4, -0x1.ae5cfdf2c5ae5p-44},
    {0x1.1480000000000p+0, -0x1.3b87598b1c000p-4, 0x1.2241594aca313p-45},
    {0x1.1360000000000p+0, -0x1.2ad449eff4000p-4, 0x1.cea3ae5f05b87p-44},
    {0x1.1240000000000p+0, -0x1.1a0fba1bf8000p-4, -0x1.4a3fcc319d6dcp-45},
    {0x1.1120000000000p+0, -0x1.0939853a1c000p-4, -0x1.91761e583dc8fp-45},
    {0x1.0fe0000000000p+0, -0x1.ecdf0f87b8000p-5, 0x1.e97bceb5803f8p-45},
    {0x1.0ec0000000000p+0, -0x1.cae72fb960000p-5, 0x1.efabf2025b1bep-44},
    {0x1.0dc0000000000p+0, -0x1.ac97221710000p-5, -0x1.f8d3ef013222cp-45},
    {0x1.0ca0000000000p+0, -0x1.8a5a9cc618000p-5, 0x1.9ae2900180e9ap-44},
    {0x1.0b80000000000p+0, -0x1.67f94f0948000p-5, -0x1.ecc1f3e7e4ed7p-44},
    {0x1.0a60000000000p+0, -0x1.4572e981c8000p-5, -0x1.6c7eaf9b37d75p-44},
    {0x1.0960000000000p+0, -0x1.26a32a86d0000p-5, -0x1.7b8f856a40770p-44},
    {0x1.0840000000000p+0, -0x1.03d5d85e70000p-5, -0x1.f778960ed29cfp-44},
    {0x1.0740000000000p+0, -0x1.c98d18d010000p-6, 0x1.bf6150589df0fp-45},
    {0x1.0620000000000p+0, -0x1.83624fba80000p-6, -0x1.deb9c96b40046p-45},
    {0x1.0520000000000p+0, -0x1.44c28d4510000p-6, -0x1.98b0a50467942p-44},
    {0x1.0420000000000p+0, -0x1.05e5478270000p-6, 0x1.0dbde21f5e1f8p-44},
    {0x1.0300000000000p+0, -0x1.7dc475f820000p-7, 0x1.eb1245b5da1f5p-44},
    {0x1.0200000000000p+0, -0x1.fe02a6b100000p-8, -0x1.9e23f0dda40e4p-46},
    {0x1.0100000000000p+0, -0x1.ff00aa2b00000p-9, -0x1.0bc04a086b56ap-45},
    {0x1.0000000000000p+0, 0x0.0p+0, 0x0.0p+0},
    {0x1.fc00000000000p-1, 0x1.0101575880000p-7, 0x1.bce251998b506p-44},
    {0x1.f820000000000p-1, 0x1.fbea8b13c0000p-7, 0x1.ec927b17e4e13p-50},
    {0x1.f440000000000p-1, 0x1.7c61b1cf60000p-6, -0x1.08fc8f849a447p-45},
    {0x1.f080000000000p-1, 0x1.f7a9b16780000p-6, 0x1.42ad9271be7d7p-45},
    {0x1.ecc0000000000p-1, 0x1.39f07ba0e8000p-5, 0x1.eb129d642e577p-44},
    {0x1.e920000000000p-1, 0x1.766d923c20000p-5, 0x1.ff0a82f1c24c1p-46},
    {0x1.e580000000000p-1, 0x1.b35dd9b588000p-5, 0x1.d5674d6cf558ep-44},
    {0x1.e1e0000000000p-1, 0x1.f0c30c1118000p-5, -0x1.caef3588b7d80p-45},
    {0x1.de60000000000p-1, 0x1.163d6ef958000p-4, -0x1.7f3b038d8e6ebp-46},
    {0x1.dae0000000000p-1, 0x1.345179b63c000p-4, 0x1.d4203d36150d0p-44},
    {0x1.d780000000000p-1, 0x1.5188742260000p-4, 0x1.30a1d96258b3ep-44},
    {0x1.d420000000000p-1, 0x1.6ef528c058000p-4, -0x1.5d462d767cadep-44},
    {0x1.d0c0000000000p-1, 0x1.8c985e9ba0000p-4, -0x1.37c377e430036p-44},
    {0x1.cd80000000000p-1, 0x1.a956d3ecac000p-4, 0x1.e63794c02c4afp-44},
    {0x1.ca40000000000p-1, 0x1.c6494a2e40000p-4, 0x1.8a5e8ab20c4e6p-44},
    {0x1.c720000000000p-1, 0x1.e2507702b0000p-4, -0x1.f897980522249p-45},
    {0x1.c400000000000p-1, 0x1.fe89139dbc000p-4, 0x1.56594d82f7a82p-44},
    {0x1.c0e0000000000p-1, 0x1.0d79e7cd48000p-3, 0x1.cb422847849e4p-44},
    {0x1.bde0000000000p-1, 0x1.1b35ae3b82000p-3, -0x1.20a2e76016a9dp-46},
    {0x1.bac0000000000p-1, 0x1.299d30c606000p-3, 0x1.d4d0079dc08d9p-44},
    {0x1.b7e0000000000p-1, 0x1.36f4c27578000p-3, -0x1.4d9e2683a54edp-44},
    {0x1.b4e0000000000p-1, 0x1.44f8b726f8000p-3, 0x1.df6a4432b9bb4p-44},
    {0x1.b200000000000p-1, 0x1.527e5e4a1c000p-3, -0x1.4e60b8d4b411dp-44},
    {0x1.af20000000000p-1, 0x1.601b076e7a000p-3, 0x1.152d7d4dfc8e5p-44},
    {0x1.ac60000000000p-1, 0x1.6d35fee52c000p-3, -0x1.f127eb4f64e1fp-45},
    {0x1.a980000000000p-1, 0x1.7b00916516000p-3, -0x1.ae75fcb067e57p-44},
    {0x1.a6e0000000000p-1, 0x1.87ad07c494000p-3, -0x1.70f53c386330ap-44},
    {0x1.a420000000000p-1, 0x1.9509aa0044000p-3, 0x1.f1e675b4d35c6p-44},
    {0x1.a160000000000p-1, 0x1.a27cc30640000p-3, 0x1.d954963274bb8p-44},
    {0x1.9ec0000000000p-1, 0x1.af6895610e000p-3, -0x1.148288bf7a937p-45},
    {0x1.9c20000000000p-1, 0x1.bc69684aee000p-3, 0x1.8f6d5d141f9bdp-45},
    {0x1.99a0000000000p-1, 0x1.c8df7cb9a8000p-3, 0x1.eee42f58e1e6ep-44},
    {0x1.9700000000000p-1, 0x1.d60a17f904000p-3, -0x1.5d6e06fc20d39p-44},
    {0x1.9480000000000p-1, 0x1.e2a877a6b2000p-3, 0x1.823817787081ap-44},
    {0x1.9200000000000p-1, 0x1.ef5ade4dd0000p-3, -0x1.a211565bb8e11p-51},
    {0x1.8fa0000000000p-1, 0x1.fb7d86eee4000p-3, -0x1.1c061cdb8097bp-45},
    {0x1.8d40000000000p-1, 0x1.03d95a1d67000p-2, 0x1.a17880f236109p-44},
    {0x1.8ac0000000000p-1, 0x1.0a504e97bb000p-2, 0x1.03094e6690c44p-44},
    {0x1.8860000000000p-1, 0x1.107e404ab1000p-2, -0x1.fb921823aafdap-48},
    {0x1.8620000000000p-1, 0x1.1661caecba000p-2, -0x1.171fff9fc4abbp-44},
    {0x1.83c0000000000p-1, 0x1.1ca28c64bb000p-2, -0x1.ac4f842f5566bp-46},
    {0x1.8180000000000p-1, 0x1.22981fbef8000p-2, -0x1.a1421609580dap-44},
    {0x1.7f40000000000p-1, 0x1.2896a13e08000p-2, 0x1.a8ed027e16952p-44},
    {0x1.7d00000000000p-1, 0x1.2e9e2bce12000p-2, 0x1.4300c128d1dc2p-45},
    {0x1.7ae0000000000p-1, 0x1.34585a594c000p-2, -0x1.d4d9bf230f411p-44},
    {0x1.78a0000000000p-1, 0x1.3a71c56bb5000p-2, -0x1.ce772094aef70p-44},
    {0x1.7680000000000p-1, 0x1.403d086cea000p-2, 0x1.e6ef574487308p-44},
};
/* clang-format on */
