"""Networks by name. Each function builds one from layers; its sizes are arguments.

Inside `nn.outline()` they take no memory, so that the largest can be built, drawn and counted.
"""

from graphc.vision.models.alexnet import ONE_COLUMN, alexnet, zfnet
from graphc.vision.models.all_convolutional import all_cnn_c
from graphc.vision.models.densenet import DenseLayer, densenet, densenet121, transition
from graphc.vision.models.efficientnet import InvertedResidual, efficientnet
from graphc.vision.models.faster_rcnn import FasterRCNN, Proposals, clip_boxes
from graphc.vision.models.inception import GoogLeNet, inception
from graphc.vision.models.lenet import RBFOutput, lenet5
from graphc.vision.models.mobilenet import mobilenet
from graphc.vision.models.neocognitron import CLayer, SLayer
from graphc.vision.models.parts import conv_norm
from graphc.vision.models.policy_value import PolicyValue, policy_value_loss
from graphc.vision.models.rcnn import RCNN, FastRCNN, region_loss
from graphc.vision.models.resnet import (
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
from graphc.vision.models.segmentation import FCN, bilinear_kernels, upsampling
from graphc.vision.models.single_box import SingleBox
from graphc.vision.models.vgg import vgg, vgg16, vgg19
from graphc.vision.models.wide_resnet import PreActivation, wide_resnet
from graphc.vision.models.yolo import YOLO, Cells, detections, yolo_loss

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
