const axios = require('axios');
const qrcode = require('qrcode-terminal');

// API 配置
const apiKey = 'YOUR_API_KEY';
const baseUrl = 'https://api.example.com/api';

// 认证头
const headers = {
  'x-api-key': apiKey,
  'Content-Type': 'application/json'
};

// WhatsApp 多实例 API 操作类
class WhatsAppAPI {
  constructor(apiKey, baseUrl) {
    this.apiKey = apiKey;
    this.baseUrl = baseUrl;
    this.headers = {
      'x-api-key': apiKey,
      'Content-Type': 'application/json'
    };
  }
  
  // 创建新实例
  async createInstance(name, description, webhookUrl = null) {
    try {
      const instanceData = {
        name,
        description
      };
      
      if (webhookUrl) {
        instanceData.webhookUrl = webhookUrl;
        instanceData.webhookEnabled = true;
        instanceData.notifyReceived = true;
        instanceData.notifySent = true;
      }
      
      const response = await axios.post(
        `${this.baseUrl}/instances`,
        instanceData,
        { headers: this.headers }
      );
      
      return response.data;
    } catch (error) {
      console.error('创建实例错误:', error.response?.data || error.message);
      throw error;
    }
  }
  
  // 获取并显示二维码
  async getAndDisplayQR(instanceId, maxAttempts = 10) {
    console.log('获取二维码...');
    
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      try {
        const response = await axios.get(
          `${this.baseUrl}/instances/${instanceId}/qr`,
          { headers: this.headers }
        );
        
        if (response.data.qrCode) {
          // 在控制台显示二维码
          qrcode.generate(response.data.qrCode);
          console.log('在 WhatsApp 应用中扫描二维码');
          return true;
        }
      } catch (error) {
        if (error.response?.status === 202) {
          console.log('二维码仍在生成，等待中...');
        } else {
          console.log(`尝试 ${attempt+1}/${maxAttempts}: 未能获取二维码`);
        }
      }
      
      // 等待下一次尝试
      await new Promise(resolve => setTimeout(resolve, 3000));
    }
    
    return false;
  }
  
  // 检查实例状态
  async checkStatus(instanceId) {
    try {
      const response = await axios.get(
        `${this.baseUrl}/whatsapp/${instanceId}/status`,
        { headers: this.headers }
      );
      
      return response.data;
    } catch (error) {
      console.error('检查状态错误:', error.response?.data || error.message);
      throw error;
    }
  }
  
  // 发送消息
  async sendMessage(instanceId, phone, message) {
    try {
      const response = await axios.post(
        `${this.baseUrl}/whatsapp/${instanceId}/send`,
        { phone, message },
        { headers: this.headers }
      );
      
      return response.data;
    } catch (error) {
      console.error('发送消息错误:', error.response?.data || error.message);
      throw error;
    }
  }
  
  // 发送图片
  async sendImage(instanceId, phone, imageUrl, caption = null) {
    try {
      const data = {
        phone,
        url: imageUrl
      };
      
      if (caption) {
        data.caption = caption;
      }
      
      const response = await axios.post(
        `${this.baseUrl}/whatsapp/${instanceId}/send-media`,
        data,
        { headers: this.headers }
      );
      
      return response.data;
    } catch (error) {
      console.error('发送图片错误:', error.response?.data || error.message);
      throw error;
    }
  }
  
  // 获取联系人
  async getContacts(instanceId) {
    try {
      const response = await axios.get(
        `${this.baseUrl}/whatsapp/${instanceId}/contacts`,
        { headers: this.headers }
      );
      
      return response.data.contacts;
    } catch (error) {
      console.error('获取联系人错误:', error.response?.data || error.message);
      return [];
    }
  }
  
  // 监控收到的消息
  async monitorMessages(instanceId, callback, interval = 5000) {
    let lastTimestamp = null;
    
    const checkMessages = async () => {
      try {
        const params = { limit: 10 };
        if (lastTimestamp) {
          params.since = lastTimestamp;
        }
        
        const response = await axios.get(
          `${this.baseUrl}/instances/${instanceId}/events`,
          { 
            headers: this.headers,
            params
          }
        );
        
        const data = response.data;
        
        for (const event of data.events) {
          if (event.type === 'message_received') {
            callback(event.data);
          }
        }
        
        if (data.events.length > 0) {
          lastTimestamp = data.latestTimestamp;
        }
      } catch (error) {
        console.error('监控消息错误:', error.message);
      }
    };
    
    // 启动定时检查新消息的间隔
    const intervalId = setInterval(checkMessages, interval);
    
    // 返回停止监控的函数
    return () => clearInterval(intervalId);
  }
}

// 使用示例
async function main() {
  const whatsapp = new WhatsAppAPI(apiKey, baseUrl);
  
  try {
    // 创建新实例
    const instance = await whatsapp.createInstance(
      '测试实例',
      '通过 Node.js SDK 创建',
      'https://webhook.example.com/whatsapp'
    );
    
    const instanceId = instance.id;
    console.log(`实例已创建，ID: ${instanceId}`);
    
    // 获取并显示二维码
    if (await whatsapp.getAndDisplayQR(instanceId)) {
      console.log('等待扫描二维码...');
      
      // 给扫描留时间
      await new Promise(resolve => setTimeout(resolve, 20000));
      
      // 检查状态
      const status = await whatsapp.checkStatus(instanceId);
      console.log('实例状态:', status);
      
      if (status.ready) {
        // 发送测试消息
        const result = await whatsapp.sendMessage(
          instanceId,
          '79001234567',
          '来自 Node.js 的测试消息'
        );
        
        console.log(`消息已发送，ID: ${result.id}`);
        
        // 启动消息监控
        const stopMonitoring = await whatsapp.monitorMessages(
          instanceId,
          (message) => {
            console.log(`来自 ${message.from} 的新消息: ${message.body}`);
          }
        );
        
        // 1分钟后停止监控
        setTimeout(() => {
          stopMonitoring();
          console.log('监控已停止');
        }, 60000);
      }
    }
  } catch (error) {
    console.error('发生错误:', error.message);
  }
}

main();
