// Cooperative matrices of 8 x 8: halves, and sums in single precision.
alias Weights = coop_mat8x8<f16, A>; // output channels x input channels
alias Pixels = coop_mat8x8<f16, B>;  // input channels x pixels
alias Sums = coop_mat8x8<f32, C>;    // output channels x pixels
const TILE = 8u;
