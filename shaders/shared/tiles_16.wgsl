// Cooperative matrices of 16 x 16: halves, and sums in single precision.
alias Weights = coop_mat16x16<f16, A>; // output channels x input channels
alias Pixels = coop_mat16x16<f16, B>;  // input channels x pixels
alias Sums = coop_mat16x16<f32, C>;    // output channels x pixels
const TILE = 16u;
