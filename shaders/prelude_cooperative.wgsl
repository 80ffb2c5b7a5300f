// Put before everything else of kernels that use cooperative matrices, which only wgpu has.
enable wgpu_cooperative_matrix;
