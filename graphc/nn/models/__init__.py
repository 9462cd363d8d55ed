"""Networks by name. Each function builds one from layers; its sizes are arguments.

Inside `nn.outline()` they take no memory, so that the largest can be built, drawn and counted.
"""

from graphc.nn.models.alexnet import ONE_COLUMN, alexnet, zfnet
from graphc.nn.models.all_convolutional import all_cnn_c
from graphc.nn.models.densenet import DenseLayer, densenet, densenet121, transition
from graphc.nn.models.efficientnet import InvertedResidual, efficientnet
from graphc.nn.models.faster_rcnn import FasterRCNN, Proposals, clip_boxes
from graphc.nn.models.inception import GoogLeNet, inception
from graphc.nn.models.lenet import RBFOutput, lenet5
from graphc.nn.models.mobilenet import mobilenet
from graphc.nn.models.neocognitron import CLayer, SLayer
from graphc.nn.models.parts import conv_norm
from graphc.nn.models.policy_value import PolicyValue, policy_value_loss
from graphc.nn.models.rcnn import RCNN, FastRCNN, region_loss
from graphc.nn.models.resnet import (
    BasicBlock,
    Bottleneck,
    cifar_resnet,
    resnet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50,
    se_resnet50,
    wide_resnet50,
)
from graphc.nn.models.segmentation import FCN, bilinear_kernels, upsampling
from graphc.nn.models.single_box import SingleBox
from graphc.nn.models.vgg import vgg, vgg16, vgg19
from graphc.nn.models.wide_resnet import PreActivation, wide_resnet
from graphc.nn.models.yolo import YOLO, Cells, detections, yolo_loss

__all__ = [
    "SingleBox",
    "FCN",
    "RCNN",
    "YOLO",
    "Cells",
    "FastRCNN",
    "FasterRCNN",
    "Proposals",
    "bilinear_kernels",
    "clip_boxes",
    "detections",
    "region_loss",
    "upsampling",
    "yolo_loss",
    "ONE_COLUMN",
    "BasicBlock",
    "Bottleneck",
    "CLayer",
    "DenseLayer",
    "GoogLeNet",
    "InvertedResidual",
    "PolicyValue",
    "PreActivation",
    "RBFOutput",
    "SLayer",
    "alexnet",
    "all_cnn_c",
    "cifar_resnet",
    "conv_norm",
    "densenet",
    "densenet121",
    "efficientnet",
    "inception",
    "lenet5",
    "mobilenet",
    "policy_value_loss",
    "resnet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50",
    "se_resnet50",
    "transition",
    "vgg",
    "vgg16",
    "vgg19",
    "wide_resnet",
    "wide_resnet50",
    "zfnet",
]
