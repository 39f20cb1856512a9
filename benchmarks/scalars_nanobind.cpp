// The functions of scalars.c, bound by hand.

#include <cmath>
#include <cstdint>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

extern "C" {
double add_three(double first, double second, double third);
int32_t add_integers(int32_t first, int32_t second);
int32_t forty_two(void);
size_t text_length(const char *text);
uint32_t checksum(const uint8_t *content, size_t size);
double total(const double *items, size_t count);
void double_all(double *items, size_t count);
}

namespace nb = nanobind;

template <typename Item>
using Items = nb::ndarray<Item, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

NB_MODULE(scalars_nanobind, module)
{
    module.def("cos", [](double x) { return std::cos(x); });
    module.def("add_three", &add_three);
    module.def("add_integers", &add_integers);
    module.def("forty_two", &forty_two);
    module.def("text_length", &text_length);
    module.def("checksum", [](nb::bytes content, size_t size) {
        return checksum(static_cast<const uint8_t *>(content.data()), size);
    });
    module.def("total", [](Items<const double> items, size_t count) {
        return total(items.data(), count);
    });
    module.def("double_all", [](Items<double> items, size_t count) {
        double_all(items.data(), count);
    });
}
