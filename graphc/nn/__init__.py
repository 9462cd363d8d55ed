"""Layers, activations and losses: compositions of array functions."""

# One name a line would take seven hundred lines.
# isort: off
from graphc.nn.activations import selu, soft_threshold, swish
from graphc.nn.adversarial import (
    GAN, cycle_loss, discriminator_loss, divergence_bound, fade_in, generator_loss,
    jensen_shannon_conjugate, kl_conjugate,
)  # fmt: skip
from graphc.nn.attention import (
    CrossAttention, SelfAttention, additive_score, attention, bilinear_score, causal_mask,
    dot_score, kernel_regression, low_rank_score, masked_softmax, multi_head, padding_mask,
    scaled_dot_score,
)  # fmt: skip
from graphc.nn.augmentation import warp
from graphc.nn.autoencoders import (
    Autoencoder, TiedAutoencoder, contraction, mask_out, predictive_sparse_loss,
)  # fmt: skip
from graphc.nn.bayesian_linear import linear_log_evidence, linear_posterior, linear_predict
from graphc.nn.bayesian_weights import NormalWeights, predictive_moments
from graphc.nn.boltzmann import (
    RBM, GaussianRBM, PersistentChains, annealed_log_partition, contrastive_divergence,
    phase_loss,
)  # fmt: skip
from graphc.nn.bounds import (
    conjunction_samples, finite_class_excess, finite_class_samples, hoeffding, pac_bayes,
    vc_excess,
)  # fmt: skip
from graphc.nn.boxes import (
    AnchorHead, anchor_grid, anchor_shapes, box_area, by_anchor, decode_boxes, encode_boxes,
    iou, project_boxes, to_centres, to_corners,
)  # fmt: skip
from graphc.nn.branches import Highway, Parallel, Residual, SqueezeExcite
from graphc.nn.cells import Cell, GRUCell, LightGRUCell, LSTMCell, RNNCell
from graphc.nn.continuous_diffusion import MonotoneSchedule
from graphc.nn.contrastive import (
    cosine_similarities, invariance_loss, pair_loss, pair_losses, square_distances,
)  # fmt: skip
from graphc.nn.controller import Controller
from graphc.nn.convolution import (
    AveragePool, Conv, ConvTranspose, LocalConv, MaxPool, SeparableConv, conv1d, conv2d, conv3d,
)  # fmt: skip
from graphc.nn.convolution_choice import CONVOLUTIONS, choose_conv
from graphc.nn.convolution_matrix import conv_by_matrix, conv_by_patches, conv_matrix
from graphc.nn.convolution_transforms import conv_by_fft, conv_by_winograd
from graphc.nn.cropping import crop_resize, crops, dense_kernels
from graphc.nn.decoding import beam_search, decode, greedy, prompted, sample
from graphc.nn.deep_boltzmann import DeepBeliefNet, DeepBoltzmannMachine
from graphc.nn.detection import (
    balanced_sample, detection_hits, label_anchors, sample_where, suppress,
)  # fmt: skip
from graphc.nn.diffusion import Denoiser, NoiseSchedule
from graphc.nn.directed import DirectedModel, d_separated, markov_blanket, moral_graph, separated
from graphc.nn.distributions import (
    bernoulli_log_probability, frechet_distance, gaussian_kl, laplace_log_density,
    log_laplace_integral, moments, multivariate_gaussian_kl, multivariate_normal_log_density,
    normal_log_density,
)  # fmt: skip
from graphc.nn.divergences import entropy, jensen_shannon, kl_divergence
from graphc.nn.dropout import (
    AlphaDropout, Dropout, add_noise, alpha_dropout, drop_path, dropout, eval_with_dropout,
    linear_rates, sampled, skip_branch, width_for,
)  # fmt: skip
from graphc.nn.early_stopping import CurvatureStop, EarlyStopping
from graphc.nn.ensembles import (
    bootstrap, calibration_table, doubt_of_classes, doubt_of_regression, log_score,
    mixture_moments, snapshots,
)  # fmt: skip
from graphc.nn.enumeration import (
    all_states, binary_states, joint_law, joint_logits, log_partition, marginal,
)  # fmt: skip
from graphc.nn.factors import (
    PCA, covariance, factor_log_likelihood, factor_posterior, factor_sample, factor_step, pca,
    probabilistic_pca,
)  # fmt: skip
from graphc.nn.filters import Filtered, kalman_filter, kalman_smoother
from graphc.nn.flows import AffineCoupling, Flow
from graphc.nn.gan_layers import (
    ConditionalBatchNorm, SpectralNorm, inception_score, orthogonality, pixel_norm,
    spectral_updates, truncated_latent,
)  # fmt: skip
from graphc.nn.gaussian_process import (
    expected_improvement, gp_log_evidence, gp_predict, linear_kernel, rbf_kernel,
)  # fmt: skip
from graphc.nn.gaussians import (
    gaussian_field, gaussian_field_log_partition, gaussian_given, gaussian_map,
    gaussian_network, gaussian_product,
)  # fmt: skip
from graphc.nn.graphs import GraphConv, normal_adjacency
from graphc.nn.growing import correlation, grown_slots, widened
from graphc.nn.heat_maps import heat_maps, soft_argmax
from graphc.nn.image_kernels import filter_image
from graphc.nn.independent import excess_kurtosis, fast_ica, orthonormalised, slow_features
from graphc.nn.language import (
    BERT, CBOW, GPT, hide_spans, hide_tokens, masked_loss, next_token_loss,
)  # fmt: skip
from graphc.nn.layer import Layer, outline
from graphc.nn.layers import Dense, Embedding, Sequential
from graphc.nn.losses import binary_cross_entropy, cross_entropy, huber, mae, mse
from graphc.nn.margins import exponential_loss, gaussian_nll, hinge, pinball
from graphc.nn.markov import (
    chain_log_probability, expected_steps, hidden_log_probability, most_probable_path,
)  # fmt: skip
from graphc.nn.masks import mask_head, mask_loss, merge_segments, panoptic_quality, paste_masks
from graphc.nn.memory import TuringMachine, memory_address, memory_read, memory_write
from graphc.nn.metrics import (
    accuracy, average_precision, f1_score, mean_average_precision, mean_iou, perplexity,
    precision, recall, top_k_accuracy,
)  # fmt: skip
from graphc.nn.morphisms import identity_conv, identity_dense, silence, widened_by_copies
from graphc.nn.normalisation import (
    BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, Standardise, batch_updates,
    normalise, weight_norm, whiten,
)  # fmt: skip
from graphc.nn.pairwise import (
    BoltzmannMachine, gibbs_sweeps, hopfield_couplings, hopfield_recall, pairwise_energy,
    pairwise_logits,
)  # fmt: skip
from graphc.nn.pooling import GatedPool, TreePool, fractional_max_pool, mixed_pool
from graphc.nn.quantisation import VectorQuantiser, gumbel_softmax, straight_through
from graphc.nn.receptive_field import receptive_field
from graphc.nn.recurrent import GRU, LSTM, RNN, LightGRU, Recurrent, unroll
from graphc.nn.reinforcement import chosen, copy_updates, discounted, policy_loss, q_learning_loss
from graphc.nn.robustness import fast_gradient_sign, lipschitz_bound, projected_ascent
from graphc.nn.roi_pooling import roi_max_pool
from graphc.nn.selective_search import over_segment, selective_search
from graphc.nn.separable_kernels import separable_conv, separable_terms
from graphc.nn.sparse_coding import sparse_code, sparse_loss, unit_columns
from graphc.nn.sparse_process import DeepGP, SparseGP
from graphc.nn.spatial_transformer import SpatialTransformer
from graphc.nn.style import gram, style_loss
from graphc.nn.supergraph import (
    Supergraph, binary_edge, dropped_edge, expected_cost, gumbel_edge, indexed_edge,
    mixed_operations, partial_edge, relaxed_edge,
)  # fmt: skip
from graphc.nn.tiled_attention import tiled_attention
from graphc.nn.topics import document_step, topic_bound, topic_shares, topic_step
from graphc.nn.transformer import (
    DecoderBlock, EncoderBlock, FeedForward, LearnedPositions, Transformer, sinusoids,
)  # fmt: skip
from graphc.nn.tree_search import Game, tree_search
from graphc.nn.two_sample import (
    classifier_statistic, gaussian_kernel, mean_difference, permutation_test, squared_mmd,
)  # fmt: skip
from graphc.nn.validation import (
    bias_variance, classification_bias_variance, cross_validate, folds, leave_one_out,
)  # fmt: skip
from graphc.nn.variational import (
    VAE, FreeGaussian, GaussianHead, HierarchicalVAE, importance_bound, interpolated,
    normal_likelihood, reparameterised, score_surrogate,
)  # fmt: skip
from graphc.nn.vision_transformer import MaskedAutoencoder, VisionTransformer, patches
from graphc.nn.visualising import ascend, deconv_relu, guided_relu
from graphc.nn.wiring import Wiring, image_operations, inherit_weights, why_rejected
from graphc.ops.activations import elu, gelu, leaky_relu, relu, silu
from graphc.ops.convolving import conv, conv_local, conv_transpose
from graphc.ops.exponential import sigmoid, softplus
from graphc.ops.pooling import (
    adaptive_average_pool, adaptive_max_pool, average_pool, global_average_pool,
    global_max_pool, image_windows, max_pool, power_pool,
)  # fmt: skip
from graphc.ops.resampling import (
    affine_grid, channel_shuffle, grid_sample, pixel_shuffle, resize, sample_linear,
)  # fmt: skip
from graphc.ops.statistics import log_softmax, softmax
from graphc.ops.trigonometric import tanh

# isort: on
__all__ = [
    "accuracy", "adaptive_average_pool", "adaptive_max_pool", "add_noise", "additive_score",
    "affine_grid", "AffineCoupling", "all_states", "alpha_dropout", "AlphaDropout",
    "anchor_grid", "anchor_shapes", "AnchorHead", "annealed_log_partition", "ascend",
    "attention", "Autoencoder", "average_pool", "average_precision", "AveragePool",
    "balanced_sample", "batch_updates", "BatchNorm", "beam_search", "bernoulli_log_probability",
    "BERT", "bias_variance", "bilinear_score", "binary_cross_entropy", "binary_edge",
    "binary_states", "BoltzmannMachine", "bootstrap", "box_area", "by_anchor",
    "calibration_table", "causal_mask", "CBOW", "Cell", "chain_log_probability",
    "channel_shuffle", "choose_conv", "chosen", "classification_bias_variance",
    "classifier_statistic", "ConditionalBatchNorm", "conjunction_samples", "contraction",
    "contrastive_divergence", "Controller", "Conv", "conv", "conv1d", "conv2d", "conv3d",
    "conv_by_fft", "conv_by_matrix", "conv_by_patches", "conv_by_winograd", "conv_local",
    "conv_matrix", "conv_transpose", "CONVOLUTIONS", "ConvTranspose", "copy_updates",
    "correlation", "cosine_similarities", "covariance", "crop_resize", "crops", "cross_entropy",
    "cross_validate", "CrossAttention", "CurvatureStop", "cycle_loss", "d_separated", "decode",
    "decode_boxes", "DecoderBlock", "deconv_relu", "DeepBeliefNet", "DeepBoltzmannMachine",
    "DeepGP", "Denoiser", "Dense", "dense_kernels", "detection_hits", "DirectedModel",
    "discounted", "discriminator_loss", "divergence_bound", "document_step", "dot_score",
    "doubt_of_classes", "doubt_of_regression", "drop_path", "Dropout", "dropout",
    "dropped_edge", "EarlyStopping", "elu", "Embedding", "encode_boxes", "EncoderBlock",
    "entropy", "eval_with_dropout", "excess_kurtosis", "expected_cost", "expected_improvement",
    "expected_steps", "exponential_loss", "f1_score", "factor_log_likelihood",
    "factor_posterior", "factor_sample", "factor_step", "fade_in", "fast_gradient_sign",
    "fast_ica", "FeedForward", "filter_image", "Filtered", "finite_class_excess",
    "finite_class_samples", "Flow", "folds", "fractional_max_pool", "frechet_distance",
    "FreeGaussian", "Game", "GAN", "GatedPool", "gaussian_field",
    "gaussian_field_log_partition", "gaussian_given", "gaussian_kernel", "gaussian_kl",
    "gaussian_map", "gaussian_network", "gaussian_nll", "gaussian_product", "GaussianHead",
    "GaussianRBM", "gelu", "generator_loss", "gibbs_sweeps", "global_average_pool",
    "global_max_pool", "gp_log_evidence", "gp_predict", "GPT", "gram", "GraphConv", "greedy",
    "grid_sample", "GroupNorm", "grown_slots", "GRU", "GRUCell", "guided_relu", "gumbel_edge",
    "gumbel_softmax", "heat_maps", "hidden_log_probability", "hide_spans", "hide_tokens",
    "HierarchicalVAE", "Highway", "hinge", "hoeffding", "hopfield_couplings", "hopfield_recall",
    "huber", "identity_conv", "identity_dense", "image_operations", "image_windows",
    "importance_bound", "inception_score", "indexed_edge", "inherit_weights", "InstanceNorm",
    "interpolated", "invariance_loss", "iou", "jensen_shannon", "jensen_shannon_conjugate",
    "joint_law", "joint_logits", "kalman_filter", "kalman_smoother", "kernel_regression",
    "kl_conjugate", "kl_divergence", "label_anchors", "laplace_log_density", "Layer",
    "LayerNorm", "leaky_relu", "LearnedPositions", "leave_one_out", "LightGRU", "LightGRUCell",
    "linear_kernel", "linear_log_evidence", "linear_posterior", "linear_predict",
    "linear_rates", "lipschitz_bound", "LocalConv", "log_laplace_integral", "log_partition",
    "log_score", "log_softmax", "low_rank_score", "LSTM", "LSTMCell", "mae", "marginal",
    "markov_blanket", "mask_head", "mask_loss", "mask_out", "masked_loss", "masked_softmax",
    "MaskedAutoencoder", "max_pool", "MaxPool", "mean_average_precision", "mean_difference",
    "mean_iou", "memory_address", "memory_read", "memory_write", "merge_segments",
    "mixed_operations", "mixed_pool", "mixture_moments", "moments", "MonotoneSchedule",
    "moral_graph", "most_probable_path", "mse", "multi_head", "multivariate_gaussian_kl",
    "multivariate_normal_log_density", "next_token_loss", "NoiseSchedule", "normal_adjacency",
    "normal_likelihood", "normal_log_density", "normalise", "NormalWeights", "orthogonality",
    "orthonormalised", "outline", "over_segment", "pac_bayes", "padding_mask", "pair_loss",
    "pair_losses", "pairwise_energy", "pairwise_logits", "panoptic_quality", "Parallel",
    "partial_edge", "paste_masks", "patches", "PCA", "pca", "permutation_test", "perplexity",
    "PersistentChains", "phase_loss", "pinball", "pixel_norm", "pixel_shuffle", "policy_loss",
    "power_pool", "precision", "predictive_moments", "predictive_sparse_loss",
    "probabilistic_pca", "project_boxes", "projected_ascent", "prompted", "q_learning_loss",
    "rbf_kernel", "RBM", "recall", "receptive_field", "Recurrent", "relaxed_edge", "relu",
    "reparameterised", "Residual", "resize", "RMSNorm", "RNN", "RNNCell", "roi_max_pool",
    "sample", "sample_linear", "sample_where", "sampled", "scaled_dot_score", "score_surrogate",
    "selective_search", "SelfAttention", "selu", "separable_conv", "separable_terms",
    "SeparableConv", "separated", "Sequential", "sigmoid", "silence", "silu", "sinusoids",
    "skip_branch", "slow_features", "snapshots", "soft_argmax", "soft_threshold", "softmax",
    "softplus", "sparse_code", "sparse_loss", "SparseGP", "SpatialTransformer",
    "spectral_updates", "SpectralNorm", "square_distances", "squared_mmd", "SqueezeExcite",
    "Standardise", "straight_through", "style_loss", "Supergraph", "suppress", "swish", "tanh",
    "TiedAutoencoder", "tiled_attention", "to_centres", "to_corners", "top_k_accuracy",
    "topic_bound", "topic_shares", "topic_step", "Transformer", "tree_search", "TreePool",
    "truncated_latent", "TuringMachine", "unit_columns", "unroll", "VAE", "vc_excess",
    "VectorQuantiser", "VisionTransformer", "warp", "weight_norm", "whiten", "why_rejected",
    "widened", "widened_by_copies", "width_for", "Wiring",
]  # fmt: skip
