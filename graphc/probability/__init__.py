"""Distributions, graphical models, processes, and models with latent variables."""

# One name a line would take hundreds of lines.
# isort: off
from graphc.probability.adversarial import (
    GAN, cycle_loss, discriminator_loss, divergence_bound, fade_in, generator_loss,
    jensen_shannon_conjugate, kl_conjugate,
)  # fmt: skip
from graphc.probability.autoencoders import (
    Autoencoder, TiedAutoencoder, contraction, mask_out, predictive_sparse_loss,
)  # fmt: skip
from graphc.probability.bayesian_linear import linear_log_evidence, linear_posterior, linear_predict
from graphc.probability.bayesian_weights import NormalWeights, predictive_moments
from graphc.probability.boltzmann import (
    RBM, GaussianRBM, PersistentChains, annealed_log_partition, contrastive_divergence,
    phase_loss,
)  # fmt: skip
from graphc.probability.continuous_diffusion import MonotoneSchedule
from graphc.probability.deep_boltzmann import DeepBeliefNet, DeepBoltzmannMachine
from graphc.probability.diffusion import Denoiser, NoiseSchedule
from graphc.probability.directed import (
    DirectedModel, d_separated, markov_blanket, moral_graph, separated,
)  # fmt: skip
from graphc.probability.distributions import (
    bernoulli_log_probability, frechet_distance, gaussian_kl, laplace_log_density,
    log_laplace_integral, moments, multivariate_gaussian_kl, multivariate_normal_log_density,
    normal_log_density,
)  # fmt: skip
from graphc.probability.ensembles import (
    bootstrap, calibration_table, doubt_of_classes, doubt_of_regression, log_score,
    mixture_moments, snapshots,
)  # fmt: skip
from graphc.probability.enumeration import (
    all_states, binary_states, joint_law, joint_logits, log_partition, marginal,
)  # fmt: skip
from graphc.probability.factors import (
    PCA, covariance, factor_log_likelihood, factor_posterior, factor_sample, factor_step, pca,
    probabilistic_pca,
)  # fmt: skip
from graphc.probability.filters import Filtered, kalman_filter, kalman_smoother
from graphc.probability.flows import AffineCoupling, Flow
from graphc.probability.gan_layers import (
    ConditionalBatchNorm, SpectralNorm, inception_score, orthogonality, pixel_norm,
    spectral_updates, truncated_latent,
)  # fmt: skip
from graphc.probability.gaussian_process import (
    expected_improvement, gp_log_evidence, gp_predict, linear_kernel, rbf_kernel,
)  # fmt: skip
from graphc.probability.gaussians import (
    gaussian_field, gaussian_field_log_partition, gaussian_given, gaussian_map,
    gaussian_network, gaussian_product,
)  # fmt: skip
from graphc.probability.independent import excess_kurtosis, fast_ica, orthonormalised, slow_features
from graphc.probability.markov import (
    chain_log_probability, expected_steps, hidden_log_probability, most_probable_path,
)  # fmt: skip
from graphc.probability.pairwise import (
    BoltzmannMachine, gibbs_sweeps, hopfield_couplings, hopfield_recall, pairwise_energy,
    pairwise_logits,
)  # fmt: skip
from graphc.probability.reinforcement import (
    chosen, copy_updates, discounted, policy_loss, q_learning_loss,
)  # fmt: skip
from graphc.probability.sparse_coding import sparse_code, sparse_loss, unit_columns
from graphc.probability.sparse_process import DeepGP, SparseGP
from graphc.probability.topics import document_step, topic_bound, topic_shares, topic_step
from graphc.probability.two_sample import (
    classifier_statistic, gaussian_kernel, mean_difference, permutation_test, squared_mmd,
)  # fmt: skip
from graphc.probability.variational import (
    VAE, FreeGaussian, GaussianHead, HierarchicalVAE, importance_bound, interpolated,
    normal_likelihood, reparameterised, score_surrogate,
)  # fmt: skip

__all__ = [
    "AffineCoupling", "Autoencoder", "BoltzmannMachine", "ConditionalBatchNorm",
    "DeepBeliefNet", "DeepBoltzmannMachine", "DeepGP", "Denoiser", "DirectedModel", "Filtered",
    "Flow", "FreeGaussian", "GAN", "GaussianHead", "GaussianRBM", "HierarchicalVAE",
    "MonotoneSchedule", "NoiseSchedule", "NormalWeights", "PCA", "PersistentChains", "RBM",
    "SparseGP", "SpectralNorm", "TiedAutoencoder", "VAE", "all_states",
    "annealed_log_partition", "bernoulli_log_probability", "binary_states", "bootstrap",
    "calibration_table", "chain_log_probability", "chosen", "classifier_statistic",
    "contraction", "contrastive_divergence", "copy_updates", "covariance", "cycle_loss",
    "d_separated", "discounted", "discriminator_loss", "divergence_bound", "document_step",
    "doubt_of_classes", "doubt_of_regression", "excess_kurtosis", "expected_improvement",
    "expected_steps", "factor_log_likelihood", "factor_posterior", "factor_sample",
    "factor_step", "fade_in", "fast_ica", "frechet_distance", "gaussian_field",
    "gaussian_field_log_partition", "gaussian_given", "gaussian_kernel", "gaussian_kl",
    "gaussian_map", "gaussian_network", "gaussian_product", "generator_loss", "gibbs_sweeps",
    "gp_log_evidence", "gp_predict", "hidden_log_probability", "hopfield_couplings",
    "hopfield_recall", "importance_bound", "inception_score", "interpolated",
    "jensen_shannon_conjugate", "joint_law", "joint_logits", "kalman_filter", "kalman_smoother",
    "kl_conjugate", "laplace_log_density", "linear_kernel", "linear_log_evidence",
    "linear_posterior", "linear_predict", "log_laplace_integral", "log_partition", "log_score",
    "marginal", "markov_blanket", "mask_out", "mean_difference", "mixture_moments", "moments",
    "moral_graph", "most_probable_path", "multivariate_gaussian_kl",
    "multivariate_normal_log_density", "normal_likelihood", "normal_log_density",
    "orthogonality", "orthonormalised", "pairwise_energy", "pairwise_logits", "pca",
    "permutation_test", "phase_loss", "pixel_norm", "policy_loss", "predictive_moments",
    "predictive_sparse_loss", "probabilistic_pca", "q_learning_loss", "rbf_kernel",
    "reparameterised", "score_surrogate", "separated", "slow_features", "snapshots",
    "sparse_code", "sparse_loss", "spectral_updates", "squared_mmd", "topic_bound",
    "topic_shares", "topic_step", "truncated_latent", "unit_columns",
]  # fmt: skip
